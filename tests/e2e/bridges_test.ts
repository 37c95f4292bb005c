import assert from "node:assert/strict";
import type { DialectName } from "@/core/dialect_name.ts";
import { bridgeConfig, bridged, groupOf, PAIRS } from "../bridge_groups.ts";
import { DIALECTS, type Loose, startTestGateway, type TestGateway } from "../gateway.ts";
import { type Answer, call, readAnswer, send } from "../gateway_client.ts";
import {
  CALL_PATHS,
  echo,
  errorEvent,
  errorReply,
  framesOf,
  hang,
  partial,
  reply,
  sampleReply,
  type Script,
  sse,
  startUpstream,
  type TestUpstream,
} from "../upstream.ts";
import { gated, upToContent } from "./behaviours.ts";

/** A gateway in front of one scripted upstream. */
async function inGateway(
  script: Script,
  body: (gateway: TestGateway, upstream: TestUpstream) => Promise<void>,
): Promise<void> {
  await using upstream = await startUpstream(script);
  await using gateway = await startTestGateway(bridgeConfig([upstream.url]));
  await body(gateway, upstream);
}

/** The text of an answer, whatever its dialect and form. */
function textOf(dialect: DialectName, answer: Answer): string {
  if (!answer.headers.get("content-type")?.startsWith("text/event-stream")) {
    return wholeText(dialect, answer.json());
  }
  const values: Loose[] = framesOf(answer.bytes).flatMap((frame) => {
    const data = /^data: (\{.*)$/m.exec(frame)?.[1];
    return data ? [JSON.parse(data)] : [];
  });
  return values.map((value) => {
    switch (dialect) {
      case "openai-chat":
        return value["choices"]?.[0]?.delta?.content ?? "";
      case "openai-responses":
        return value["type"] === "response.output_text.delta" ? value["delta"] : "";
      case "anthropic":
        return value["delta"]?.text ?? "";
    }
  }).join("");
}

function wholeText(dialect: DialectName, body: Loose): string {
  switch (dialect) {
    case "openai-chat":
      return body["choices"][0].message.content;
    case "openai-responses":
      return body["output_text"];
    case "anthropic":
      return body["content"][0].text;
  }
}

/** How the last frame of a stream that ended well begins. */
const LAST: Readonly<Record<DialectName, RegExp>> = {
  "openai-chat": /^data: \[DONE\]/,
  "openai-responses": /^event: response\.completed/,
  "anthropic": /^event: message_stop/,
};

/** How the last frame of a stream that broke begins. */
const BROKEN: Readonly<Record<DialectName, RegExp>> = {
  "openai-chat": /^data: \{"error":/,
  "openai-responses": /^event: response\.failed/,
  "anthropic": /^event: error/,
};

function lastFrame(answer: Answer): string {
  return framesOf(answer.bytes).at(-1) ?? "";
}

/** More digits than a double keeps. */
const LONG_NUMBER = JSON.rawJSON("9223372036854775807");

function toolOf(dialect: DialectName, schema: object): object {
  const [name, description] = ["find", "finds"];
  switch (dialect) {
    case "openai-chat":
      return { type: "function", function: { name, description, parameters: schema } };
    case "openai-responses":
      return { type: "function", name, description, parameters: schema, strict: false };
    case "anthropic":
      return { name, description, input_schema: schema };
  }
}

for (const [from, to] of PAIRS) {
  const model = groupOf(to);

  Deno.test(`${from} caller is served by ${to} target`, async (t) => {
    await inGateway(echo("echo"), async (gateway, upstream) => {
      for (const stream of [false, true]) {
        await t.step(stream ? "streaming" : "unary", async () => {
          const count = upstream.requests.length;
          const answer = await call(gateway.url, from, { stream, body: { model } });
          assert.equal(answer.status, 200, answer.text);
          assert.match(textOf(from, answer), /hello wide world/);
          if (stream) assert.match(lastFrame(answer), LAST[from]);
          const request = upstream.requests[count]!;
          assert(request.path.endsWith(CALL_PATHS[to]));
          assert.equal(request.json().model, "up-1");
          const row = (await gateway.settled(count + 1)).at(-1)!;
          assert.equal(row["status"], 200);
          assert.equal(row["bridge"], `${from}>${to}`);
          assert.equal(row["usage_source"], "upstream");
          assert(row["input_tokens"] > 0 && row["output_tokens"] > 0);
        });
      }
    });
  });

  Deno.test(`a tool schema of a ${from} caller reaches a ${to} target with every digit`, async () => {
    const schema = { type: "object", properties: { id: { maximum: LONG_NUMBER } } };
    await inGateway(echo("echo"), async (gateway, upstream) => {
      const answer = await call(gateway.url, from, {
        body: { model, tools: [toolOf(from, schema)] },
      });
      assert.equal(answer.status, 200, answer.text);
      const sent = new TextDecoder().decode(upstream.requests[0]!.body);
      assert(sent.includes(JSON.stringify(schema)), sent);
    });
  });

  Deno.test(`${from} caller hears of a failed ${to} target in its own dialect`, async () => {
    const failing = errorReply(to, 429, { retryAfter: "7", message: "slow down" });
    await inGateway(failing, async (gateway) => {
      const answer = await call(gateway.url, from, { body: { model } });
      assert.equal(answer.status, 503);
      const error: Loose = answer.json()["error"];
      assert.equal(error["type"], "upstream-rate-limited");
      assert.equal(answer.json()["type"], from === "anthropic" ? "error" : undefined);
      assert.equal(answer.headers.get("retry-after"), "7");
      assert.doesNotMatch(answer.text, /slow down/);
    });
  });

  Deno.test(`${from} stream from ${to} that breaks ends with an error of its dialect`, async (t) => {
    const whole = await sampleReply(to, { stream: true });
    const opening = upToContent(whole);
    const faults: Record<string, [Script, string]> = {
      "an error event": [
        errorEvent(to, opening, { code: "overloaded_error" }),
        "upstream_overloaded",
      ],
      "a cut": [partial(opening, "close"), "upstream_network"],
      "garbage": [sse(opening + "data: <html>\n\n".repeat(3)), "upstream_bad_response"],
    };
    for (const [name, [script, error_class]] of Object.entries(faults)) {
      await t.step(name, () =>
        inGateway(script, async (gateway) => {
          const answer = await call(gateway.url, from, { stream: true, body: { model } });
          assert.equal(answer.status, 200);
          assert.match(textOf(from, answer), /hello/);
          assert.match(lastFrame(answer), BROKEN[from]);
          const row = (await gateway.settled(1))[0]!;
          assert.deepEqual(
            { ...row, status: 502, partial: 1, error_class },
            row,
            `${row["status"]} ${row["error_class"]}`,
          );
          assert(row["total_cost_nusd"] > 0, "delivered content is not free");
        }));
    }
  });

  Deno.test(`${from} stream ends at once when what ${to} sends cannot be read`, async () => {
    const opening = upToContent(await sampleReply(to, { stream: true }));
    const script = partial(opening + "data: <html>\n\n".repeat(3), "silence");
    await inGateway(script, async (gateway, upstream) => {
      const answer = await call(gateway.url, from, { stream: true, body: { model } });
      assert.match(lastFrame(answer), BROKEN[from]);
      assert.equal(await upstream.requests[0]!.ended, "aborted");
    });
  });

  Deno.test(`${from} stream from ${to} without usage shows what is settled`, async () => {
    const whole = new TextDecoder().decode(await sampleReply(to, { stream: true }));
    const script = sse(whole.replace(/"usage":\{[^{}]*(\{[^{}]*\}[^{}]*)*\}/g, '"usage":null'));
    await inGateway(script, async (gateway) => {
      const body = from === "openai-chat"
        ? { model, stream_options: { include_usage: true } }
        : { model };
      const answer = await call(gateway.url, from, { stream: true, body });
      const row = (await gateway.settled(1))[0]!;
      assert.equal(row["usage_source"], "estimated");
      assert(row["output_tokens"] > 0);
      const shown = answer.text.match(/"(?:output|completion)_tokens":(\d+)/g)?.at(-1);
      assert.equal(Number(shown?.split(":")[1]), row["output_tokens"]);
    });
  });

  Deno.test(`${from} stream from ${to} gives the first delta before the next has come`, async () => {
    const whole = await sampleReply(to, { stream: true });
    const go = Promise.withResolvers<void>();
    const opening = new TextEncoder().encode(upToContent(whole)).length;
    await inGateway(gated(whole, opening, go.promise), async (gateway) => {
      const response = await send(gateway.url, from, { stream: true, body: { model } });
      const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
      let seen = "";
      while (!seen.includes("hello")) seen += (await reader.read()).value ?? "";
      go.resolve();
      for (let next = await reader.read(); !next.done; next = await reader.read()) {
        seen += next.value;
      }
      assert.match(seen.match(/[\s\S]+?\n\n/g)?.at(-1) ?? "", LAST[from]);
    });
  });

  Deno.test(`${from} caller that leaves stops its ${to} upstream`, async () => {
    const opening = upToContent(await sampleReply(to, { stream: true }));
    await inGateway(partial(opening, "silence"), async (gateway, upstream) => {
      const stop = new AbortController();
      const { signal } = stop;
      const response = await send(gateway.url, from, { stream: true, signal, body: { model } });
      const reader = response.body!.getReader();
      await reader.read();
      stop.abort();
      await assert.rejects(reader.read());
      assert.equal(await upstream.requests[0]!.ended, "aborted");
      const row = (await gateway.settled(1))[0]!;
      assert.deepEqual([row["status"], row["partial"]], [499, 1]);
    });
  });

  Deno.test(`${from} caller gets the form it asked for from ${to}, whichever comes`, async (t) => {
    for (const stream of [false, true]) {
      await t.step(stream ? "a whole reply to a stream" : "a stream to a unary call", async () => {
        const bytes = await sampleReply(to, { stream: !stream });
        await inGateway(stream ? reply(bytes) : sse(bytes), async (gateway) => {
          const answer = await call(gateway.url, from, { stream, body: { model } });
          assert.equal(answer.status, 200, answer.text);
          assert.match(textOf(from, answer), /hello wide world/);
          if (stream) assert.match(lastFrame(answer), LAST[from]);
          const row = (await gateway.settled(1))[0]!;
          assert.deepEqual([row["status"], row["usage_source"]], [200, "upstream"]);
        });
      });
    }
  });
}

for (const dialect of DIALECTS) {
  Deno.test(`${dialect} caller gets the form it asked for, whichever its own dialect sends`, async (t) => {
    for (const stream of [false, true]) {
      await t.step(stream ? "a whole reply to a stream" : "a stream to a unary call", async () => {
        const bytes = await sampleReply(dialect, { stream: !stream });
        await inGateway(stream ? reply(bytes) : sse(bytes), async (gateway) => {
          const answer = await call(gateway.url, dialect, { stream });
          assert.equal(answer.status, 200, answer.text);
          assert.match(textOf(dialect, answer), /hello wide world/);
          if (stream) assert.match(lastFrame(answer), LAST[dialect]);
          const row = (await gateway.settled(1))[0]!;
          assert.deepEqual(
            [row["status"], row["usage_source"], row["bridge"]],
            [200, "upstream", null],
          );
        });
      });
    }
  });
}

Deno.test("a provider that closes after its finish has finished", async (t) => {
  const last: readonly (readonly [DialectName, RegExp])[] = [
    ["openai-chat", /data: \[DONE\]\n\n$/],
    ["anthropic", /event: message_stop\n[^\n]*\n\n$/],
  ];
  for (const [to, end] of last) {
    const whole = new TextDecoder().decode(await sampleReply(to, { stream: true }));
    assert.match(whole, end);
    for (const from of DIALECTS.filter((name) => name !== to)) {
      await t.step(
        `${to} to ${from}`,
        () =>
          inGateway(sse(whole.replace(end, "")), async (gateway) => {
            const body = { model: groupOf(to) };
            const answer = await call(gateway.url, from, { stream: true, body });
            assert.match(lastFrame(answer), LAST[from]);
            assert.equal((await gateway.settled(1))[0]!["status"], 200);
          }),
      );
    }
  }
});

Deno.test("a failed target of another dialect leaves no trace behind the one that serves", async () => {
  await using upstream = await startUpstream({
    "up-1": errorEvent("anthropic", "", { code: "overloaded_error" }),
    "up-2": echo("echo"),
  });
  const models = {
    mixed: { strategy: "failover", targets: [bridged(1, "anthropic"), bridged(2, "openai-chat")] },
  };
  const config = bridgeConfig([upstream.url, upstream.url], { models });
  await using gateway = await startTestGateway(config);
  const answer = await call(gateway.url, "openai-chat", { stream: true, body: { model: "mixed" } });
  assert.match(lastFrame(answer), LAST["openai-chat"]);
  assert.doesNotMatch(answer.text, /error/);
  const row = (await gateway.settled(1))[0]!;
  assert.deepEqual([row["attempts"], row["bridge"], row["status"]], [2, null, 200]);
});

Deno.test("what no bridge carries is refused by name before any upstream call", async () => {
  await inGateway(echo("echo"), async (gateway, upstream) => {
    const body = { model: groupOf("anthropic"), n: 2, logit_bias: { "1": 5 } };
    const answer = await call(gateway.url, "openai-chat", { body });
    assert.equal(answer.status, 502);
    const error: Loose = answer.json()["error"];
    assert.equal(error["type"], "no-eligible-target");
    assert.match(error["message"], /bridge-logit-bias, bridge-multiple-choices/);
    assert.equal(upstream.requests.length, 0);
    const own = await call(gateway.url, "openai-chat", {
      body: { ...body, model: groupOf("openai-chat") },
    });
    assert.equal(own.status, 200, "on its own dialect it passes as it is");
  });
});

Deno.test("what a bridge left behind is told by name, never by value", async () => {
  await inGateway(echo("echo"), async (gateway) => {
    const body = { model: groupOf("anthropic"), seed: 4711, user: "ana", temperature: 1.5 };
    await call(gateway.url, "openai-chat", { body });
    await call(gateway.url, "openai-chat", { body: { store: true } });
    const [bridged, own] = await gateway.settled(2);
    const events: Loose[] = bridged!["request_translation_field_events"];
    assert.deepEqual(
      events.map(({ field_name, action }) => `${action} ${field_name}`).sort(),
      ["added max_tokens", "clamped temperature", "stripped seed", "stripped user"],
    );
    const [shape]: Loose[] = bridged!["request_translation_shapes"];
    assert.equal(shape!["bridge_direction"], "openai-chat>anthropic");
    assert.deepEqual([shape!["fields_stripped_count"], shape!["fields_rewritten_count"]], [2, 1]);
    assert.equal(shape!["translated_output_cap_field"], "max_tokens", "the provider asks for one");
    assert.doesNotMatch(JSON.stringify(bridged), /4711|"ana"/);
    const kept: Loose[] = own!["request_translation_field_events"];
    assert.deepEqual(kept.map(({ field_name }) => field_name), ["store"]);
    const stored = await gateway.usageRows();
    assert.equal(stored.length, 2);
  });
});

/** A reply with an item of the provider's own, and an end that says something else than what came. */
const ODD_EVENTS: readonly Loose[] = [
  { type: "response.created", response: { id: "resp_1", model: "up-1", output: [] } },
  {
    type: "response.output_item.done",
    output_index: 0,
    item: { type: "web_search_call", id: "ws_1", status: "completed" },
  },
  {
    type: "response.output_item.added",
    output_index: 1,
    item: { type: "message", id: "msg_1", role: "assistant", content: [] },
  },
  { type: "response.output_text.delta", output_index: 1, content_index: 0, delta: "streamed" },
  { type: "response.output_text.done", output_index: 1, content_index: 0, text: "other" },
  {
    type: "response.completed",
    response: {
      id: "resp_1",
      model: "up-1",
      status: "completed",
      usage: { input_tokens: 3, output_tokens: 2, total_tokens: 5 },
    },
  },
];

Deno.test("what of a reply has no place in the caller's dialect is told by name", async () => {
  const stream = ODD_EVENTS.map((event) => `data: ${JSON.stringify(event)}\n\n`).join("");
  await inGateway(sse(stream), async (gateway) => {
    const body = { model: groupOf("openai-responses") };
    const answer = await call(gateway.url, "openai-chat", { stream: true, body });
    assert.equal(textOf("openai-chat", answer), "streamed");
    const [line] = await gateway.settled(1);
    const events: Loose[] = line!["request_translation_field_events"];
    const told = events.filter(({ field_name: name }) => name === "content");
    assert.deepEqual(told.map(({ action, reason }) => [action, reason]), [
      ["stripped", "no-counterpart"],
      ["rewritten", "stream_mismatch"],
    ]);
  });
});

Deno.test("a target that does not opt into a bridge serves no other dialect", async () => {
  await using upstream = await startUpstream(hang());
  const target = { inbound_dialects: ["openai-chat"] };
  await using gateway = await startTestGateway(bridgeConfig([upstream.url], { target }));
  const answer = await call(gateway.url, "anthropic", { body: { model: groupOf("openai-chat") } });
  assert.equal(answer.json()["error"].type, "no-eligible-target");
  assert.equal(upstream.requests.length, 0);
});

Deno.test("nothing of a caller's own headers crosses a bridge", async () => {
  await inGateway(echo("echo"), async (gateway, upstream) => {
    await call(gateway.url, "anthropic", {
      path: "/v1/messages?beta=true",
      headers: { "anthropic-beta": "x-2025", "openai-beta": "y", "cookie": "a=b" },
      body: { model: groupOf("openai-chat") },
    });
    await call(gateway.url, "openai-chat", {
      headers: {
        "anthropic-version": "2024-01-01",
        "anthropic-beta": "x-2025",
        "openai-beta": "y",
      },
      body: { model: groupOf("anthropic") },
    });
    const [chat, anthropic] = upstream.requests;
    for (const name of ["anthropic-beta", "openai-beta", "cookie"]) {
      assert.equal(chat!.headers.get(name), null, name);
      assert.equal(anthropic!.headers.get(name), null, name);
    }
    assert.equal(chat!.path, "/v1/chat/completions");
    assert.equal(chat!.headers.get("anthropic-version"), null);
    assert.equal(anthropic!.headers.get("anthropic-version"), "2023-06-01");
  });
});

const SIGNED = [
  { role: "user", content: "Hi" },
  {
    role: "assistant",
    content: [
      { type: "thinking", thinking: "Hm", signature: "from-somewhere" },
      { type: "text", text: "Hello" },
    ],
  },
  { role: "user", content: "Go on" },
];

Deno.test("reasoning that a provider refuses is left out, once, on the same target", async () => {
  const refusal = errorReply("anthropic", 400, {
    code: "invalid_request_error",
    message: "messages.1.content.0: Invalid `signature` in `thinking` block",
  });
  await inGateway([refusal, echo("echo")], async (gateway, upstream) => {
    const body = { model: groupOf("anthropic"), messages: SIGNED };
    const answer = await call(gateway.url, "anthropic", { body });
    assert.equal(answer.status, 200, answer.text);
    const [first, second]: Loose[] = upstream.requests.map((request) => request.json());
    assert.deepEqual(first!["messages"], SIGNED);
    assert.deepEqual(second!["messages"][1].content, [{ type: "text", text: "Hello" }]);
    const row = (await gateway.settled(1))[0]!;
    assert.deepEqual(
      row["request_attempts"].map((attempt: Loose) => attempt["outcome"]),
      ["upstream_reasoning_rejected", "ok"],
    );
    assert(gateway.logs.every((line) => !line.includes("breaker_opened")));
  });
  await inGateway(refusal, async (gateway, upstream) => {
    const body = { model: groupOf("anthropic") };
    const answer = await call(gateway.url, "anthropic", { body });
    assert.equal(answer.status, 502);
    assert.equal(answer.headers.get("x-should-retry"), "false");
    assert.equal(upstream.requests.length, 1, "a request without reasoning is not sent again");
  });
});

Deno.test("reasoning signed by one provider is not handed to another", async () => {
  const thinking = [{ type: "thinking", thinking: "Hm", signature: "signed-by-one" }, {
    type: "text",
    text: "Hello",
  }];
  const message = {
    id: "msg_1",
    type: "message",
    role: "assistant",
    model: "up-1",
    content: thinking,
    stop_reason: "end_turn",
    stop_sequence: null,
    usage: { input_tokens: 1, output_tokens: 1 },
  };
  await using upstream = await startUpstream({ "up-1": reply(message), "up-2": echo("echo") });
  const models = { other: { strategy: "failover", targets: [bridged(2, "anthropic")] } };
  const config = bridgeConfig([upstream.url, upstream.url], { models });
  await using gateway = await startTestGateway(config);
  await call(gateway.url, "anthropic", { body: { model: groupOf("anthropic") } });
  const messages = [SIGNED[0], { role: "assistant", content: thinking }, SIGNED[2]];
  for (const model of [groupOf("anthropic"), "other"]) {
    const answer = await readAnswer(
      await send(gateway.url, "anthropic", { body: { model, messages } }),
    );
    assert.equal(answer.status, 200, answer.text);
  }
  const [, home, away]: Loose[] = upstream.requests.map((request) => request.json());
  assert.deepEqual(home!["messages"], messages);
  assert.deepEqual(away!["messages"][1].content, thinking.slice(1));
});
