import assert from "node:assert/strict";
import type { Finish, PartHead, Proof, StreamEvent } from "@/core/chat.ts";
import { GatewayError } from "@/core/errors.ts";
import type { JsonObject } from "@/core/json.ts";
import { readWire } from "@/core/scan.ts";
import { stepAll } from "@/core/stream.ts";
import { failure } from "@/core/upstream_error.ts";
import { NO_USAGE, type UsageReport } from "@/core/usage.ts";
import type { SseFrame } from "@/core/wire.ts";
import { dialects } from "@/dialects/mod.ts";
import { assertStreamGrammar } from "./stream_grammar.ts";

const messages = dialects.get("anthropic");
const wireOf = (body: string) => readWire(new TextEncoder().encode(body));
const CONTEXT = {
  callId: "0123456789abcdef0123456789abcdef",
  request: messages.decodeRequest(wireOf('{"messages":[]}')).request,
};
const USAGE: UsageReport = {
  input: 12_307,
  output: 550,
  cachedInput: 3,
  cacheWrite: 12_300,
  image: null,
  reasoning: 40,
};
const SIGNED: Proof = { kind: "signature", dialect: "anthropic", value: "EqQB" };
const REDACTED: Proof = { kind: "redacted", dialect: "anthropic", value: "EmwK" };
const FOREIGN: Proof = { kind: "encrypted", dialect: "openai-responses", value: "gAAA" };
const CALL = { type: "tool_call", id: "call_1", name: "f", form: "function" } as const;

const start = (usage: JsonObject = { input_tokens: 9 }) =>
  frame({ type: "message_start", message: { id: "msg_1", model: "m", usage } });
const opens = (index: number, block: JsonObject) =>
  frame({ type: "content_block_start", index, content_block: block });
const delta = (index: number, value: JsonObject) =>
  frame({ type: "content_block_delta", index, delta: value });
const closes = (index: number) => frame({ type: "content_block_stop", index });
const ends = (stopReason: string, usage: JsonObject = {}) =>
  frame({ type: "message_delta", delta: { stop_reason: stopReason }, usage });
const STOP = frame({ type: "message_stop" });
const TEXT = opens(0, { type: "text", text: "Hel" });
const USE = { type: "tool_use", id: "toolu_1", name: "f", input: {} };
const GARBAGE: SseFrame = { event: "", data: "{broken" };

/** A frame without an event name: the type is in the data. */
function frame(value: JsonObject): SseFrame {
  return { event: "", data: JSON.stringify(value) };
}

const read = (...frames: SseFrame[]) => stepAll(frames, messages.decodeStream());

/** Events in short, as `text(Hello)`; a part that did not end has no `)`. */
function shortly(events: readonly StreamEvent[]): string {
  return events.map((event) => {
    if (event.type === "part_start") return ` ${event.part.type}(`;
    if (event.type === "part_delta") return event.text;
    if (event.type === "part_end") return `${event.proof ? `#${event.proof.value}` : ""})`;
    return event.type === "message_end" ? ` ${event.finish.reason}` : "start";
  }).join("");
}

const NUMBERS: SseFrame = {
  event: "",
  data:
    '{"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"a","name":"f","input":{"x":1.0}}}',
};

const STREAMS: readonly (readonly [name: string, frames: readonly SseFrame[], events: string])[] = [
  ["text in an opening frame", [
    start(),
    TEXT,
    delta(0, { type: "text_delta", text: "lo" }),
    closes(0),
    ends("end_turn"),
    STOP,
  ], "start text(Hello) stop"],
  ["a signature", [
    start(),
    opens(0, { type: "thinking", thinking: "", signature: "" }),
    delta(0, { type: "thinking_delta", thinking: "Hm" }),
    delta(0, { type: "signature_delta", signature: "Eq" }),
    closes(0),
    ends("end_turn"),
    STOP,
  ], "start reasoning(Hm#Eq) stop"],
  ["redacted thinking", [
    start(),
    opens(0, { type: "redacted_thinking", data: "Em" }),
    closes(0),
    ends("end_turn"),
    STOP,
  ], "start reasoning(#Em) stop"],
  [
    "a call's input in its start frame",
    [start(), NUMBERS, closes(0), ends("tool_use"), STOP],
    'start tool_call({"x":1.0}) tool_calls',
  ],
  ["a call without arguments", [
    start(),
    opens(0, USE),
    closes(0),
    opens(1, USE),
    closes(1),
    ends("tool_use"),
    STOP,
  ], "start tool_call({}) tool_call({}) tool_calls"],
  [
    "a call cut before its arguments",
    [start(), opens(0, USE), closes(0), ends("max_tokens"), STOP],
    "start tool_call() length",
  ],
  ["a call cut inside its arguments", [
    start(),
    opens(0, USE),
    delta(0, { type: "input_json_delta", partial_json: '{"a' }),
    closes(0),
    ends("max_tokens"),
    STOP,
  ], 'start tool_call({"a) length'],
  [
    "blocks still open at the end",
    [start(), TEXT, opens(1, USE), ends("tool_use"), STOP],
    "start text(Hel tool_call(){}) tool_calls",
  ],
  [
    "several ends",
    [start(), TEXT, closes(0), ends("end_turn"), ends("max_tokens"), STOP],
    "start text(Hel) length",
  ],
  ["no message_stop", [start(), TEXT, closes(0), ends("end_turn")], "start text(Hel) stop"],
  ["no stop reason", [start(), TEXT, closes(0), STOP], "start text(Hel) stop"],
  ["no message_start", [TEXT, closes(0), ends("end_turn"), STOP], "start text(Hel) stop"],
  ["an unknown block", [
    start(),
    opens(0, { type: "new", text: "x" }),
    delta(0, { type: "text_delta", text: "x" }),
    closes(0),
    ends("end_turn"),
    STOP,
  ], "start opaque() stop"],
  [
    "what follows the end",
    [start(), TEXT, closes(0), ends("end_turn"), STOP, TEXT, STOP, GARBAGE],
    "start text(Hel) stop",
  ],
  ["a cut", [start(), TEXT], "start text(Hel error"],
  ["an error event", [
    start(),
    TEXT,
    frame({ type: "error", error: { type: "overloaded_error" } }),
    STOP,
  ], "start text(Hel error"],
  ["two frames of garbage", [
    start(),
    GARBAGE,
    GARBAGE,
    TEXT,
    GARBAGE,
    closes(0),
    ends("end_turn"),
    STOP,
  ], "start text(Hel) stop"],
  [
    "three frames of garbage",
    [start(), TEXT, GARBAGE, GARBAGE, GARBAGE, STOP],
    "start text(Hel error",
  ],
  ["garbage inside a call", [start(), opens(0, USE), GARBAGE, STOP], "start tool_call( error"],
];

for (const [name, frames, events] of STREAMS) {
  Deno.test(`Messages reads a stream with ${name}`, () => {
    assert.equal(shortly(read(...frames)), events);
  });
}

Deno.test("Messages reads the last stated usage of a stream", () => {
  const end = read(
    start({ input_tokens: 3, cache_creation_input_tokens: 12_304, output_tokens: 4 }),
    TEXT,
    ends("end_turn", { output_tokens: 500, cache_creation_input_tokens: null }),
    ends("end_turn", { output_tokens: 550 }),
    STOP,
  ).at(-1);
  assert(end?.type === "message_end");
  assert.deepEqual([end.usage.input, end.usage.cacheWrite, end.usage.output], [
    12_307,
    12_304,
    550,
  ]);
});

const head = (index: number, part: PartHead): StreamEvent => ({ type: "part_start", index, part });
const fed = (index: number, value: string): StreamEvent => ({
  type: "part_delta",
  index,
  text: value,
});
const ended = (index: number, proof?: Proof): StreamEvent => ({
  type: "part_end",
  index,
  ...(proof && { proof }),
});
const BEGIN: StreamEvent = {
  type: "message_start",
  id: "resp_7",
  model: "m",
  createdAt: 0,
  usage: { ...NO_USAGE, input: 21 },
  extra: {},
};
const END = (reason: Finish["reason"]): StreamEvent => ({
  type: "message_end",
  finish: { reason },
  usage: USAGE,
  extra: {},
});

function write(...events: StreamEvent[]) {
  const frames = stepAll(events, messages.encodeStream(CONTEXT));
  assertStreamGrammar("anthropic", frames);
  return frames.map(({ data }) => JSON.parse(data));
}

Deno.test("Messages writes a stream of another dialect", () => {
  const frames = write(
    BEGIN,
    head(0, { type: "reasoning", summary: true }),
    fed(0, "Hm"),
    ended(0, FOREIGN),
    head(1, { type: "reasoning", summary: true }),
    ended(1, FOREIGN),
    head(2, { type: "text" }),
    fed(2, ""),
    fed(2, 'Say "hi"\n'),
    head(3, CALL),
    fed(3, '{"a":1}'),
    ended(2),
    ended(3),
    END("tool_calls"),
  );
  assert.deepEqual(frames.slice(1), [
    {
      type: "content_block_start",
      index: 0,
      content_block: { type: "thinking", thinking: "", signature: "" },
    },
    { type: "content_block_delta", index: 0, delta: { type: "thinking_delta", thinking: "Hm" } },
    { type: "content_block_stop", index: 0 },
    { type: "content_block_start", index: 1, content_block: { type: "text", text: "" } },
    { type: "content_block_delta", index: 1, delta: { type: "text_delta", text: 'Say "hi"\n' } },
    { type: "content_block_stop", index: 1 },
    {
      type: "content_block_start",
      index: 2,
      content_block: { type: "tool_use", id: "call_1", name: "f", input: {} },
    },
    {
      type: "content_block_delta",
      index: 2,
      delta: { type: "input_json_delta", partial_json: '{"a":1}' },
    },
    { type: "content_block_stop", index: 2 },
    {
      type: "message_delta",
      delta: { stop_reason: "tool_use", stop_sequence: null, stop_details: null, container: null },
      usage: {
        input_tokens: 4,
        cache_creation_input_tokens: 12_300,
        cache_read_input_tokens: 3,
        output_tokens: 550,
        output_tokens_details: { thinking_tokens: 40 },
      },
    },
    { type: "message_stop" },
  ]);
  assert.deepEqual([frames[0].message.id, frames[0].message.usage.input_tokens], ["msg_7", 21]);
});

Deno.test("Messages starts a stream with input tokens above 0", () => {
  const usage = { ...NO_USAGE, input: 8, cachedInput: 8 };
  const [first] = write({ ...BEGIN, usage }, END("stop"));
  assert.equal(first.message.usage.input_tokens, 1);
});

const argumentDeltas = (frames: ReturnType<typeof write>) =>
  frames.flatMap((value) =>
    value.delta?.type === "input_json_delta" ? [value.delta.partial_json] : []
  );

Deno.test("Messages streams no arguments as {}, unless they were cut", () => {
  const bare = [BEGIN, head(0, CALL), ended(0)];
  assert.deepEqual(argumentDeltas(write(...bare, END("tool_calls"))), ["{}"]);
  assert.deepEqual(argumentDeltas(write(...bare, END("length"))), []);
  const next = [head(1, CALL), fed(1, '{"a'), ended(1)];
  assert.deepEqual(argumentDeltas(write(...bare, ...next, END("length"))), ["{}", '{"a']);
});

Deno.test("Messages streams its own proofs in place, the signature last", () => {
  const frames = write(
    BEGIN,
    head(0, { type: "reasoning", summary: false }),
    fed(0, "Hm"),
    ended(0, SIGNED),
    head(1, { type: "reasoning", summary: false }),
    ended(1, REDACTED),
    head(2, { type: "text" }),
    fed(2, "x"),
    ended(2),
    END("stop"),
  );
  assert.deepEqual(frames.slice(2, 6), [
    { type: "content_block_delta", index: 0, delta: { type: "thinking_delta", thinking: "Hm" } },
    {
      type: "content_block_delta",
      index: 0,
      delta: { type: "signature_delta", signature: "EqQB" },
    },
    { type: "content_block_stop", index: 0 },
    {
      type: "content_block_start",
      index: 1,
      content_block: { type: "redacted_thinking", data: "EmwK" },
    },
  ]);
});

Deno.test("Messages streams a refusal as text and says so at the end", () => {
  const frames = write(BEGIN, head(0, { type: "refusal" }), fed(0, "No"), ended(0), END("refusal"));
  assert.equal(frames[2].delta.text, "No");
  assert.deepEqual(frames.at(-2).delta.stop_details, {
    type: "refusal",
    category: null,
    explanation: "No",
  });
});

Deno.test("Messages leaves a broken stream open and ends it with an error", () => {
  const encoder = messages.encodeStream(CONTEXT);
  const finish: Finish = { reason: "error", error: failure("upstream_network") };
  const broken: StreamEvent = { type: "message_end", finish, usage: NO_USAGE, extra: {} };
  const frames = [BEGIN, head(0, { type: "text" }), fed(0, "x"), broken]
    .flatMap((event) => [...encoder.step(event)]);
  assert.equal(frames.at(-1)?.event, "content_block_delta");
  const error = new GatewayError("upstream-failed", "Cannot go on: the provider broke off");
  const [last] = [...encoder.fail(error, "req_1")];
  assert.deepEqual(JSON.parse(last?.data ?? ""), messages.encodeError(error, "req_1"));
  assert.equal(last?.event, "error");
});
