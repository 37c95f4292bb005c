import assert from "node:assert/strict";
import type { DialectName } from "@/core/dialect_name.ts";
import { bridgeConfig, bridged, groupOf } from "../bridge_groups.ts";
import { type ConfigTree, DIALECTS, type Loose, startTestGateway } from "../gateway.ts";
import { type Answer, call } from "../gateway_client.ts";
import {
  echo,
  errorReply,
  framesOf,
  partial,
  reply,
  type Script,
  sse,
  startUpstream,
  type TestUpstream,
} from "../upstream.ts";

const TARGETS: readonly (readonly [string, readonly ConfigTree[]])[] = [
  ["chat-chat", [bridged(1, "openai-chat"), bridged(2, "openai-chat")]],
  ["anthropic-chat", [bridged(1, "anthropic"), bridged(2, "openai-chat")]],
  ["chat-anthropic-chat", [
    bridged(1, "openai-chat"),
    bridged(2, "anthropic"),
    bridged(3, "openai-chat"),
  ]],
];

/** A gateway with groups of several targets, all behind one scripted upstream. */
async function inGateway(
  script: Script,
  body: (
    gateway: Awaited<ReturnType<typeof startTestGateway>>,
    upstream: TestUpstream,
  ) => Promise<void>,
): Promise<void> {
  await using upstream = await startUpstream(script);
  const models = Object.fromEntries(
    TARGETS.map(([name, targets]) => [name, { strategy: "failover", targets }]),
  );
  const { url } = upstream;
  await using gateway = await startTestGateway(bridgeConfig([url, url, url], { models }));
  await body(gateway, upstream);
}

const TEXT = "twenty-four bytes of text";
const DONE = "data: [DONE]\n\n";
/** A Chat reply that reports no usage, in both forms. */
const WHOLE = {
  id: "chatcmpl-1",
  model: "up-1",
  choices: [{ index: 0, message: { role: "assistant", content: TEXT }, finish_reason: "stop" }],
};
const STREAM = [
  { ...WHOLE, choices: [{ index: 0, delta: { role: "assistant", content: TEXT } }] },
  { ...WHOLE, choices: [{ index: 0, delta: {}, finish_reason: "stop" }] },
].map((chunk) => `data: ${JSON.stringify(chunk)}\n\n`).join("") + DONE;

/** The last usage an answer shows, as input and output tokens; `null` when it shows none. */
function shownUsage(dialect: DialectName, answer: Answer): readonly number[] | null {
  const streamed = answer.headers.get("content-type")?.startsWith("text/event-stream");
  const values: Loose[] = streamed
    ? framesOf(answer.bytes).flatMap((frame) => {
      const data = /^data: (\{.*)$/m.exec(frame)?.[1];
      return data ? [JSON.parse(data)] : [];
    })
    : [answer.json()];
  const usage = values.map((value) => value["usage"] ?? value["response"]?.usage)
    .findLast((found) => found);
  if (!usage) return null;
  return dialect === "openai-chat"
    ? [usage.prompt_tokens, usage.completion_tokens]
    : [usage.input_tokens, usage.output_tokens];
}

for (const from of DIALECTS) {
  for (const stream of [false, true]) {
    const form = stream ? "a whole reply to a stream" : "a stream to a unary call";
    Deno.test(`${from} caller pays and sees an estimate of ${form} without usage`, async () => {
      await inGateway(stream ? reply(WHOLE) : sse(STREAM), async (gateway) => {
        const options = { stream, body: { model: groupOf("openai-chat") } };
        const answer = await call(gateway.url, from, options);
        assert.equal(answer.status, 200, answer.text);
        const row = (await gateway.settled(1))[0]!;
        assert.equal(row["usage_source"], "estimated");
        assert.equal(row["output_tokens"], Math.ceil(TEXT.length / 4));
        assert(row["input_tokens"] > 0 && row["total_cost_nusd"] > 0);
        const settled = [row["input_tokens"], row["output_tokens"]];
        assert.deepEqual(shownUsage(from, answer) ?? settled, settled);
      });
    });
  }
}

for (const from of DIALECTS) {
  Deno.test(`${from} caller is shown the usage its call is settled to, on any target`, async (t) => {
    for (const model of ["echo", "echo-no-usage"]) {
      await inGateway(echo(model), async (gateway) => {
        let count = 0;
        for (const to of DIALECTS) {
          for (const stream of [false, true]) {
            const asked = stream && from === "openai-chat" ? { include_usage: true } : undefined;
            const body = { model: groupOf(to), ...(asked && { stream_options: asked }) };
            await t.step(`${model}, ${to}, ${stream ? "streaming" : "unary"}`, async () => {
              const answer = await call(gateway.url, from, { stream, body });
              const shown = shownUsage(from, answer);
              const row = (await gateway.settled(++count)).at(-1)!;
              assert(row["output_tokens"] > 0, "delivered content is never free");
              // On its own dialect a reply that reports nothing passes as it is.
              if (to === from && model === "echo-no-usage") return;
              assert.deepEqual(shown, [row["input_tokens"], row["output_tokens"]]);
            });
          }
        }
      });
    }
  });
}

/** Streams that end in form and say nothing. */
const SILENT: Readonly<Record<string, string>> = {
  "chat-chat": DONE,
  "anthropic-chat": [
    { type: "message_start", message: { id: "msg_1", model: "up-1" } },
    { type: "message_stop" },
  ].map((value) => `event: ${value.type}\ndata: ${JSON.stringify(value)}\n\n`).join(""),
};

for (const [model, silent] of Object.entries(SILENT)) {
  Deno.test(`a stream that ends without a word moves on over the bridges of ${model}`, async () => {
    await inGateway({ "up-1": sse(silent), "up-2": echo("echo") }, async (gateway) => {
      const options = { stream: true, body: { model } };
      const answer = await call(gateway.url, "openai-responses", options);
      assert.match(answer.text, /hello/);
      assert.doesNotMatch(answer.text, /response\.failed/);
      const row = (await gateway.settled(1))[0]!;
      assert.deepEqual([row["attempts"], row["status"]], [2, 200]);
    });
  });
}

const SYSTEM_ONLY = [{ role: "system", content: "Only instructions" }];

Deno.test("a target whose wire cannot hold a request leaves it to the next one", async () => {
  await inGateway(echo("echo"), async (gateway) => {
    const body = { model: "anthropic-chat", messages: SYSTEM_ONLY };
    const answer = await call(gateway.url, "openai-chat", { body });
    assert.equal(answer.status, 200, answer.text);
    const alone = { model: groupOf("anthropic"), messages: SYSTEM_ONLY };
    const refused = await call(gateway.url, "openai-chat", { body: alone });
    assert.equal(refused.status, 400);
    assert.equal(refused.json()["error"].type, "invalid-request");
    const rows = await gateway.settled(2);
    assert.deepEqual(rows.map((row) => row["attempts"]), [1, 0]);
  });
});

Deno.test("a failed provider is not hidden by a target whose wire cannot hold the request", async () => {
  const failing = { "up-1": errorReply("openai-chat", 500), "up-3": echo("echo") };
  await inGateway(failing, async (gateway) => {
    const body = { model: "chat-anthropic-chat", messages: SYSTEM_ONLY };
    const answer = await call(gateway.url, "openai-chat", { body });
    assert.equal(answer.status, 200, answer.text);
  });
  await inGateway(errorReply("openai-chat", 500), async (gateway) => {
    const body = { model: "chat-anthropic-chat", messages: SYSTEM_ONLY };
    const answer = await call(gateway.url, "openai-chat", { body });
    assert.equal(answer.status, 502);
    assert.equal(answer.json()["error"].type, "upstream-failed");
  });
});

Deno.test("after a stream cut in its thinking no unsigned thinking goes to its provider", async () => {
  const thinking = { type: "thinking", thinking: "", signature: "" };
  const cut = [
    { type: "message_start", message: { id: "msg_1", model: "up-1" } },
    { type: "content_block_start", index: 0, content_block: thinking },
    { type: "content_block_delta", index: 0, delta: { type: "thinking_delta", thinking: "Hm" } },
  ].map((value) => `event: ${value.type}\ndata: ${JSON.stringify(value)}\n\n`).join("");
  await inGateway([partial(cut, "reset"), echo("echo")], async (gateway, upstream) => {
    const model = groupOf("anthropic");
    await call(gateway.url, "anthropic", { stream: true, body: { model } });
    const said = { type: "text", text: "Hello" };
    const content = [{ type: "thinking", thinking: "Hm", signature: "" }, said];
    const messages = [
      { role: "user", content: "Hi" },
      { role: "assistant", content },
      { role: "user", content: "Go on" },
    ];
    const answer = await call(gateway.url, "anthropic", { body: { model, messages } });
    assert.equal(answer.status, 200, answer.text);
    const sent: Loose = upstream.requests[1]!.json();
    assert.deepEqual(sent["messages"][1].content, [said]);
  });
});

Deno.test("the words of a refusal are said once, whatever the form of the reply", async () => {
  const explanation = "I cannot help with that";
  const stop_details = { type: "refusal", category: null, explanation };
  const events = [
    { type: "message_start", message: { id: "msg_1", model: "up-1", usage: { input_tokens: 3 } } },
    {
      type: "message_delta",
      delta: { stop_reason: "refusal", stop_details },
      usage: { output_tokens: 2 },
    },
    { type: "message_stop" },
  ].map((value) => `event: ${value.type}\ndata: ${JSON.stringify(value)}\n\n`).join("");
  await inGateway(sse(events), async (gateway) => {
    const body = { model: groupOf("anthropic") };
    const chat = (await call(gateway.url, "openai-chat", { body })).json()["choices"][0].message;
    assert.deepEqual([chat.content, chat.refusal], [null, explanation]);
    const own = (await call(gateway.url, "anthropic", { body })).json();
    assert.deepEqual([own["content"], own["stop_details"]], [[], stop_details]);
  });
});

Deno.test("content of a type that objects inherit is refused by name on a bridge", async () => {
  await inGateway(echo("echo"), async (gateway, upstream) => {
    const messages = [{ role: "user", content: [{ type: "constructor", a: 1 }] }];
    for (const from of DIALECTS) {
      const to = from === "anthropic" ? "openai-chat" : "anthropic";
      const body = {
        model: groupOf(to),
        ...(from === "openai-responses" ? { input: messages } : { messages }),
      };
      const answer = await call(gateway.url, from, { body });
      assert.equal(answer.status, 502, answer.text);
      assert.equal(answer.json()["error"].type, "no-eligible-target");
    }
    assert.equal(upstream.requests.length, 0);
  });
});

Deno.test("what a provider attached to a call comes back to it alone over a bridge", async () => {
  const extra_content = { google: { thought_signature: "EjQKMgEM+w==" } };
  const called = { id: "c1", type: "function", function: { name: "read", arguments: "{}" } };
  const message = { role: "assistant", content: null, tool_calls: [{ ...called, extra_content }] };
  const signed = { ...WHOLE, choices: [{ index: 0, message, finish_reason: "tool_calls" }] };
  await using upstream = await startUpstream({
    "up-1": [reply(signed), echo("echo")],
    "up-2": echo("echo"),
  });
  const models = { other: { strategy: "failover", targets: [bridged(2, "openai-chat")] } };
  const config = bridgeConfig([upstream.url, upstream.url], { models });
  await using gateway = await startTestGateway(config);
  const home = groupOf("openai-chat");
  const first = await call(gateway.url, "anthropic", { body: { model: home } });
  const { content } = first.json();
  assert.deepEqual(content.map(({ type }: Loose) => type), ["redacted_thinking", "tool_use"]);
  const messages = [
    { role: "user", content: "Hi" },
    { role: "assistant", content },
    { role: "user", content: [{ type: "tool_result", tool_use_id: "c1", content: "done" }] },
  ];
  for (const model of [home, "other"]) {
    const answer = await call(gateway.url, "anthropic", { body: { model, messages } });
    assert.equal(answer.status, 200, answer.text);
  }
  const [, back, away]: Loose[] = upstream.requests.map((request) => request.json());
  assert.deepEqual(back!["messages"][1], message);
  assert.deepEqual(away!["messages"][1].tool_calls, [called]);
  const rows = await gateway.settled(3);
  const told = rows.map((row) => row["request_translation_field_events"] ?? []);
  const isTold = (list: Loose[]) => list.some(({ reason }) => reason === "foreign-proof");
  assert.deepEqual(told.map(isTold), [false, false, true]);
});
