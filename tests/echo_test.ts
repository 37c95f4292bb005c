import assert from "node:assert/strict";
import { DIALECT_NAMES, type DialectName } from "@/core/dialect_name.ts";
import { createEcho, echoUpstream } from "@/plugins/echo/mod.ts";
import { parseModel } from "@/plugins/echo/script.ts";
import { upstreams } from "@/plugins/mod.ts";
import { SMALLEST, withImages, withResult, withSchema, withTools } from "./echo_requests.ts";
import { collect, readReply, type Said } from "./echo_said.ts";
import { assertStreamGrammar, readFrames, type Wire } from "./stream_grammar.ts";
import { CALL_PATHS, sampleRequest } from "./upstream_samples.ts";

interface AskOptions {
  readonly signal?: AbortSignal;
  readonly upstream?: typeof echoUpstream;
}

/** Calls the echo through its seam. */
function ask(dialect: DialectName, body: unknown, options: AskOptions = {}): Promise<Response> {
  const { signal = new AbortController().signal, upstream = echoUpstream } = options;
  return upstream.fetch(`builtin:echo${CALL_PATHS[dialect]}`, {
    headers: {},
    body: new TextEncoder().encode(JSON.stringify(body)),
    signal,
  });
}

/** Unary and streamed, which must say the same. */
async function said(dialect: DialectName, body: Record<string, unknown>): Promise<Said> {
  const unary = readReply(dialect, await (await ask(dialect, body)).json());
  const streamed = await ask(dialect, { ...withStream(dialect, body) });
  assert.equal(streamed.headers.get("content-type"), "text/event-stream; charset=utf-8");
  assert.deepEqual(collect(dialect, await streamed.text()), unary);
  return unary;
}

function withStream(dialect: DialectName, body: Record<string, unknown>) {
  const usage = dialect === "openai-chat" ? { stream_options: { include_usage: true } } : {};
  return { ...body, stream: true, ...usage };
}

const FINISH: Readonly<Record<DialectName, { stop: string; length: string; call: string }>> = {
  "openai-chat": { stop: "stop", length: "length", call: "tool_calls" },
  "openai-responses": { stop: "completed", length: "max_output_tokens", call: "completed" },
  "anthropic": { stop: "end_turn", length: "max_tokens", call: "tool_use" },
};

const CAPS: Readonly<Record<DialectName, string>> = {
  "openai-chat": "max_completion_tokens",
  "openai-responses": "max_output_tokens",
  "anthropic": "max_tokens",
};

for (const dialect of DIALECT_NAMES) {
  const finish = FINISH[dialect];
  const request = (model: string, text?: string) =>
    sampleRequest(dialect, { model, ...(text === undefined ? {} : { text }) });

  Deno.test(`echo says the last user text on ${dialect}`, async () => {
    const reply = await said(dialect, request("echo", "  hello wide\nwörld ✓ "));
    assert.deepEqual(reply, {
      text: "  hello wide\nwörld ✓ ",
      reasoning: "",
      call: null,
      finish: finish.stop,
      usage: [6, 6],
    });
  });

  Deno.test(`echo stops at the cap, between characters, on ${dialect}`, async () => {
    const body = { ...request("echo", "abc ✓✓ long"), [CAPS[dialect]]: 2 };
    const reply = await said(dialect, body);
    assert.equal(reply.text, "abc ✓");
    assert.equal(reply.finish, finish.length);
    assert.equal(reply.usage![1], 2);
  });

  Deno.test(`echo that fits its cap is not cut on ${dialect}`, async () => {
    const reply = await said(dialect, { ...request("echo", "12345678"), [CAPS[dialect]]: 2 });
    assert.deepEqual([reply.text, reply.finish], ["12345678", finish.stop]);
  });

  Deno.test(`echo mentions images on ${dialect}`, async () => {
    const reply = await said(dialect, { ...request("echo"), ...withImages(dialect) });
    assert.equal(reply.text, "see these [2 images]");
  });

  Deno.test(`echo-no-usage reports none on ${dialect}`, async () => {
    assert.equal((await said(dialect, request("echo-no-usage"))).usage, null);
  });

  Deno.test(`echo-reasoning thinks first on ${dialect}`, async () => {
    const reply = await said(dialect, request("echo-reasoning", "hi"));
    assert.equal(reply.text, "hi");
    assert.match(reply.reasoning, /2 bytes/);
    assert.equal(reply.usage![1], Math.ceil((reply.reasoning.length + 2) / 4));
    const cut = await said(dialect, { ...request("echo-reasoning", "hi"), [CAPS[dialect]]: 3 });
    assert.deepEqual([cut.reasoning.length, cut.text, cut.finish], [12, "", finish.length]);
  });

  Deno.test(`echo-tool-call calls the first or the forced tool on ${dialect}`, async () => {
    const body = request("echo-tool-call");
    const first = await said(dialect, { ...body, ...withTools(dialect) });
    assert.deepEqual(first.call, { name: "first", value: SMALLEST });
    assert.equal(first.finish, finish.call);
    assert.equal(first.text, "");
    const forced = await said(dialect, { ...body, ...withTools(dialect, "second") });
    assert.equal(forced.call?.name, "second");
  });

  Deno.test(`echo-tool-call echoes a tool result on ${dialect}`, async () => {
    const body = { ...request("echo-tool-call"), ...withTools(dialect), ...withResult(dialect) };
    const reply = await said(dialect, body);
    assert.deepEqual([reply.text, reply.call], ["it is warm", null]);
  });

  Deno.test(`echo-tool-call may not call a tool that is forbidden on ${dialect}`, async () => {
    const choice = dialect === "anthropic" ? { type: "none" } : "none";
    const body = { ...request("echo-tool-call"), ...withTools(dialect), tool_choice: choice };
    assert.equal((await said(dialect, body)).call, null);
  });

  Deno.test(`echo-json says the smallest value of the schema on ${dialect}`, async () => {
    const reply = await said(dialect, { ...request("echo-json"), ...withSchema(dialect) });
    assert.deepEqual(JSON.parse(reply.text), SMALLEST);
  });

  Deno.test(`echo-error answers any error status on ${dialect}`, async () => {
    for (const status of [400, 401, 402, 403, 404, 409, 413, 418, 422, 429, 500, 503, 529, 599]) {
      const response = await ask(dialect, request(`echo-error-${status}`));
      const { error }: Wire = await response.json();
      assert.equal(response.status, status);
      assert.equal(response.headers.get("retry-after"), status === 429 ? "1" : null);
      assert.equal(typeof error.type, "string");
      assert.match(error.message, /Scripted/);
      if (status === 402) assert.match(`${error.type} ${error.code}`, /billing/);
    }
  });

  Deno.test(`echo-error-context says so in the words of ${dialect}`, async () => {
    const response = await ask(dialect, request("echo-error-context"));
    const { error }: Wire = await response.json();
    assert.equal(response.status, 400);
    if (dialect !== "anthropic") assert.equal(error.code, "context_length_exceeded");
    else assert.match(error.message, /^prompt is too long: \d+ tokens > 128000 maximum$/);
  });

  Deno.test(`echo-error-in-stream fails after two text frames on ${dialect}`, async () => {
    for (const text of ["a b c d", "one"]) {
      const body = withStream(dialect, request("echo-error-in-stream", text));
      const frames = readFrames(await (await ask(dialect, body)).text());
      assert.equal(frames.filter(isText).length, 2);
      const last = frames.at(-1)!;
      assert.equal(last.event, dialect === "openai-chat" ? "" : "error");
      assert.match(last.data, /Scripted error in the stream/);
      if (dialect === "openai-responses") {
        assert.equal(JSON.parse(last.data).sequence_number, frames.length - 1);
      }
    }
    assert.equal((await ask(dialect, request("echo-error-in-stream"))).status, 500);
  });

  Deno.test(`echo-drop-mid-stream breaks off on ${dialect}`, async () => {
    const body = request("echo-drop-mid-stream", "a b c d");
    const streamed = await readUntilBreak(await ask(dialect, withStream(dialect, body)));
    assert.equal(readFrames(streamed).filter(isText).length, 2);
    const unary = await readUntilBreak(await ask(dialect, body));
    assert(unary.startsWith("{"));
    assert.throws(() => JSON.parse(unary));
  });

  Deno.test(`echo-empty-stream answers 200 without a frame on ${dialect}`, async () => {
    for (const stream of [true, false]) {
      const response = await ask(dialect, { ...request("echo-empty-stream"), stream });
      assert.deepEqual([response.status, await response.text()], [200, ""]);
    }
  });

  Deno.test(`echo refuses an unknown model and a body that is no object on ${dialect}`, async () => {
    assert.equal((await ask(dialect, request("gpt-5"))).status, 404);
    assert.equal((await ask(dialect, [])).status, 400);
  });
}

function isText({ data }: { data: string }): boolean {
  return /"content":"[^"]|"delta":"|"text_delta"/.test(data);
}

async function readUntilBreak(response: Response): Promise<string> {
  assert.equal(response.status, 200);
  const decoder = new TextDecoder();
  let text = "";
  const read = async () => {
    for await (const bytes of response.body!) text += decoder.decode(bytes, { stream: true });
  };
  await assert.rejects(read(), TypeError);
  return text;
}

/** An echo whose waits are written down and end at once, or never. */
function timedEcho(ends: "at once" | "never") {
  const waits: number[] = [];
  let aborted = 0;
  const waiting = Promise.withResolvers<void>();
  const upstream = createEcho({
    now: () => 1_700_000_000_000,
    wait(ms, signal) {
      waits.push(ms);
      waiting.resolve();
      if (ends === "at once") return Promise.resolve();
      return new Promise((_, reject) =>
        signal.addEventListener("abort", () => {
          aborted += 1;
          reject(signal.reason);
        })
      );
    },
  });
  return { upstream, waits, aborted: () => aborted, waiting: waiting.promise };
}

Deno.test("echo-slow waits once, before the first byte", async () => {
  const { upstream, waits } = timedEcho("at once");
  const body = sampleRequest("openai-chat", { model: "echo-slow-250ms", stream: true });
  const response = await ask("openai-chat", body, { upstream });
  assert.deepEqual(waits, [250]);
  await response.text();
  assert.deepEqual(waits, [250]);
});

Deno.test("echo-drip waits between frames, not around them", async () => {
  const { upstream, waits } = timedEcho("at once");
  const body = sampleRequest("anthropic", { model: "echo-drip-20ms", stream: true });
  const response = await ask("anthropic", body, { upstream });
  const frames = readFrames(await response.text());
  assert.deepEqual(waits, Array(frames.length - 1).fill(20));
});

Deno.test("echo-hang never answers, and ends with its signal", async () => {
  const { upstream, aborted, waiting } = timedEcho("never");
  const client = new AbortController();
  const { signal } = client;
  const answer = ask("anthropic", sampleRequest("anthropic", { model: "echo-hang" }), {
    upstream,
    signal,
  });
  await waiting;
  client.abort(new Error("left"));
  await assert.rejects(answer, /left/);
  assert.equal(aborted(), 1);
});

Deno.test("leaving a dripping body ends its timer", async () => {
  for (const how of ["cancel", "abort"] as const) {
    const { upstream, aborted, waiting } = timedEcho("never");
    const client = new AbortController();
    const { signal } = client;
    const body = sampleRequest("openai-chat", { model: "echo-drip-20ms", stream: true });
    const reader = (await ask("openai-chat", body, { upstream, signal })).body!.getReader();
    await reader.read();
    const second = reader.read();
    await waiting;
    if (how === "cancel") await reader.cancel();
    else client.abort(new Error("left"));
    if (how === "cancel") assert.equal((await second).done, true);
    else await assert.rejects(second, /left/);
    assert.equal(aborted(), 1);
  }
});

Deno.test("an aborted call does not start", async () => {
  const signal = AbortSignal.abort(new Error("left"));
  await assert.rejects(ask("openai-chat", sampleRequest("openai-chat"), { signal }), /left/);
});

Deno.test("the same request gets the same bytes", async () => {
  const { upstream } = timedEcho("at once");
  const body = sampleRequest("openai-responses", { stream: true });
  const text = async () => (await ask("openai-responses", body, { upstream })).text();
  assert.equal(await text(), await text());
});

Deno.test("chat sends its usage chunk only when asked", async () => {
  const { stream_options: _, ...body } = sampleRequest("openai-chat", { stream: true });
  const frames = readFrames(await (await ask("openai-chat", body)).text());
  assertStreamGrammar("openai-chat", frames);
  assert(frames.every(({ data }) => !data.includes("usage")));
});

Deno.test("a custom tool is called with text", async () => {
  const model = "echo-tool-call";
  const chat = await said("openai-chat", {
    ...sampleRequest("openai-chat", { model, text: "patch it" }),
    tools: [{ type: "custom", custom: { name: "patch" } }],
  });
  assert.deepEqual(chat.call, { name: "patch", value: "patch it" });
  const responses = await said("openai-responses", {
    ...sampleRequest("openai-responses", { model, text: "patch it" }),
    tools: [{ type: "web_search" }, { type: "custom", name: "patch" }],
  });
  assert.deepEqual(responses.call, { name: "patch", value: "patch it" });
});

Deno.test("model names out of range are no models", () => {
  const good = ["echo", "echo-slow-1ms", "echo-drip-60000ms", "echo-error-400", "echo-error-599"];
  const bad = [
    "",
    "Echo",
    "echo-slow-0ms",
    "echo-slow-60001ms",
    "echo-drip-5",
    "echo-error-399",
    "echo-error-600",
    "toString",
  ];
  assert.deepEqual([...good, ...bad].filter(echoUpstream.serves), good);
  assert.deepEqual(parseModel("echo-drip-7ms"), { type: "drip", ms: 7 });
});

Deno.test("echo is registered as a built-in upstream", () => {
  assert.equal(upstreams.get("echo"), echoUpstream);
});
