import assert from "node:assert/strict";
import type { ChatResponse, PartHead, StreamEvent } from "@/core/chat.ts";
import { responseOf } from "@/core/chat_events.ts";
import { GatewayError } from "@/core/errors.ts";
import { isObject, type JsonObject } from "@/core/json.ts";
import { stepAll } from "@/core/stream.ts";
import { NO_USAGE } from "@/core/usage.ts";
import { openAiResponses } from "@/dialects/openai_responses/mod.ts";
import { wireOf } from "./dialect_target.ts";
import { assertEvents } from "./neutral_grammar.ts";

const CALL_ID = "0123456789abcdef0123456789abcdef";
const USAGE = { ...NO_USAGE, input: 10, output: 5, cachedInput: 4 };
const CONTEXT = {
  callId: CALL_ID,
  request: openAiResponses.decodeRequest(wireOf('{"model":"fast","input":"hi"}')).request,
};

const MESSAGE = {
  type: "message",
  id: "msg_1",
  role: "assistant",
  status: "completed",
  content: [{ type: "output_text", text: "hi", annotations: [] }],
};
const CALL = { type: "function_call", id: "fc_1", call_id: "call_1", name: "f", arguments: "{}" };
type Event = JsonObject & { readonly type: string };

/** The neutral events of a stream; numbers and names of events are left out on purpose. */
function read(...events: readonly Event[]): StreamEvent[] {
  const frames = events.map((event) => ({ event: "", data: JSON.stringify(event) }));
  const out = stepAll(frames, openAiResponses.decodeStream());
  assertEvents(out);
  return out;
}

const said = (events: readonly StreamEvent[]) =>
  responseOf(events)?.parts.map((part) =>
    part.type === "tool_call"
      ? [part.id, part.name, part.input]
      : "text" in part
      ? part.text
      : part.type
  );
const completed = (...output: readonly JsonObject[]): Event => ({
  type: "response.completed",
  response: { status: "completed", output },
});
const at = (type: string, fields: JsonObject): Event => ({ type: `response.${type}`, ...fields });

const TOLERATED: readonly (readonly [string, readonly Event[], unknown])[] = [
  ["text in the done event alone", [
    at("output_text.done", { output_index: 0, content_index: 0, text: "hi" }),
    completed(),
  ], ["hi"]],
  ["an item at the end in the place of one that nothing closed", [
    at("output_text.delta", { output_index: 0, content_index: 0, delta: "hi" }),
    completed({ ...CALL, id: undefined }),
  ], ["hi", ["call_1", "f", "{}"]]],
  ["a place that is no number", [
    at("output_text.delta", { item_id: "msg_1", content_index: { toString: {} }, delta: "hi" }),
    at("output_item.done", { item: MESSAGE }),
    completed(MESSAGE),
  ], ["hi"]],
  ["a section whose place is no number", [
    at("reasoning_text.delta", { item_id: "r", content_index: { toString: {} }, delta: "hm" }),
    completed(),
  ], ["hm"]],
  ["the rest of a text in the done event", [
    at("output_text.delta", { output_index: 0, delta: "h" }),
    at("output_text.done", { output_index: 0, text: "hi" }),
    completed(),
  ], ["hi"]],
  ["a done event that differs: the deltas stand", [
    at("output_text.delta", { output_index: 0, delta: "hi" }),
    at("output_text.done", { output_index: 0, text: "something else" }),
    completed(),
  ], ["hi"]],
  ["text that stands in the opening frame", [
    at("content_part.added", {
      output_index: 0,
      content_index: 0,
      part: { type: "output_text", text: "h" },
    }),
    at("output_text.delta", { output_index: 0, content_index: 0, delta: "i" }),
    completed(),
  ], ["hi"]],
  ["items in the terminal output alone", [completed(MESSAGE, CALL)], ["hi", ["call_1", "f", "{}"]]],
  ["an item that the terminal output completes", [
    at("output_item.added", { output_index: 0, item: { ...CALL, arguments: "" } }),
    at("function_call_arguments.delta", { output_index: 0, delta: "{" }),
    completed(CALL),
  ], [["call_1", "f", "{}"]]],
  ["other ids in the terminal output", [
    at("output_item.added", { output_index: 0, item: { ...MESSAGE, id: "x", content: [] } }),
    at("output_text.delta", { item_id: "x", output_index: 0, delta: "hi" }),
    completed(MESSAGE),
  ], ["hi"]],
  ["items keyed by their id", [
    at("output_item.added", { item: { ...CALL, id: "a", arguments: "" } }),
    at("output_item.added", { item: { ...CALL, id: "b", call_id: "call_2", arguments: "" } }),
    at("function_call_arguments.delta", { item_id: "a", delta: "{" }),
    at("function_call_arguments.delta", { item_id: "b", delta: "[" }),
    at("function_call_arguments.delta", { item_id: "a", delta: "}" }),
    completed(),
  ], [["call_1", "f", "{}"], ["call_2", "f", "["]]],
  ["arguments in the done event alone", [
    at("output_item.added", { output_index: 0, item: { ...CALL, arguments: "" } }),
    at("function_call_arguments.done", { output_index: 0, arguments: "{}" }),
    completed(),
  ], [["call_1", "f", "{}"]]],
  ["custom input in the done item alone", [
    at("output_item.done", {
      output_index: 0,
      item: { type: "custom_tool_call", call_id: "call_1", name: "p", input: "x" },
    }),
    completed(),
  ], [["call_1", "p", "x"]]],
  ["several summaries and a reasoning text", [
    at("reasoning_summary_text.delta", { output_index: 0, summary_index: 0, delta: "a" }),
    at("reasoning_summary_text.done", { output_index: 0, summary_index: 0, text: "ab" }),
    at("reasoning_summary_text.delta", { output_index: 0, summary_index: 1, delta: "c" }),
    at("reasoning_text.delta", { output_index: 0, content_index: 0, delta: "d" }),
    completed(),
  ], ["ab\n\nc\n\nd"]],
  ["two pieces of one message", [
    at("output_text.delta", { output_index: 0, content_index: 0, delta: "a" }),
    at("refusal.delta", { output_index: 0, content_index: 1, delta: "b" }),
    completed(),
  ], ["a", "b"]],
  ["an item of another kind", [
    at("output_item.done", { output_index: 0, item: { type: "web_search_call", id: "ws_1" } }),
    completed(),
  ], ["opaque"]],
];

for (const [title, events, parts] of TOLERATED) {
  Deno.test(`a Responses stream is read with ${title}`, () => {
    assert.deepEqual(said(read(...events)), parts);
  });
}

Deno.test("the proof of reasoning comes with its end, byte for byte", () => {
  const item = { type: "reasoning", id: "rs_1", summary: [], encrypted_content: "gAAA=" };
  const events = read(at("output_item.done", { output_index: 0, item }), completed(item));
  const end = events.find(({ type }) => type === "part_end");
  assert(end?.type === "part_end");
  const proof = { kind: "encrypted", dialect: "openai-responses", value: "gAAA=", id: "rs_1" };
  assert.deepEqual(end.proof, proof);
});

Deno.test("a frame that is no JSON inside a call ends the stream as an error", () => {
  const decoder = openAiResponses.decodeStream();
  const added = at("output_item.added", { output_index: 0, item: { ...CALL, arguments: "" } });
  const frames = [JSON.stringify(added), "{broken"].map((data) => ({ event: "", data }));
  const end = stepAll(frames, decoder).at(-1);
  assert(end?.type === "message_end");
  assert.equal(end.finish.error?.class, "upstream_bad_response");
});

/** What is written for parts; each is its head, its deltas, and what its end brings. */
function stream(
  parts: readonly (readonly [PartHead, readonly string[]])[],
  finish: ChatResponse["finish"] = { reason: "stop" },
) {
  const events: StreamEvent[] = [
    { type: "message_start", id: "msg_7", model: "up-1", createdAt: 1, usage: USAGE, extra: {} },
    ...parts.flatMap(([part, texts], index): StreamEvent[] => [
      { type: "part_start", index, part },
      ...texts.map((text): StreamEvent => ({ type: "part_delta", index, text })),
      { type: "part_end", index },
    ]),
    { type: "message_end", finish, usage: USAGE, extra: {} },
  ];
  const writer = openAiResponses.encodeStream(CONTEXT);
  const frames = stepAll(events, writer);
  return frames.map(({ event, data }, index): Event => {
    const { type, sequence_number, ...value } = JSON.parse(data);
    assert.equal(type, event);
    assert.equal(sequence_number, index);
    return { type: type.replace("response.", ""), ...value };
  });
}

function responseIn(event: Event | undefined): JsonObject {
  assert(isObject(event?.["response"]));
  return event["response"];
}

function itemIn(event: Event | undefined): JsonObject {
  assert(isObject(event?.["item"]));
  return event["item"];
}

const message = (id: string, status: string, content: readonly JsonObject[]) => ({
  id,
  type: "message",
  role: "assistant",
  content,
  status,
});

Deno.test("a text is written in the events of a message item", () => {
  const [created, started, ...events] = stream([[{ type: "text" }, ["h", "i\n"]]]);
  const end = events.pop();
  assert.deepEqual(created, { ...started, type: "created" });
  const place = { item_id: "msg_7_0", output_index: 0, content_index: 0 };
  const whole = { type: "output_text", text: "hi\n", annotations: [] };
  const done = message("msg_7_0", "completed", [whole]);
  assert.deepEqual(events, [
    { type: "output_item.added", output_index: 0, item: message("msg_7_0", "in_progress", []) },
    { type: "content_part.added", ...place, part: { ...whole, text: "" } },
    { type: "output_text.delta", ...place, delta: "h", logprobs: [] },
    { type: "output_text.delta", ...place, delta: "i\n", logprobs: [] },
    { type: "output_text.done", ...place, text: "hi\n", logprobs: [] },
    { type: "content_part.done", ...place, part: whole },
    { type: "output_item.done", output_index: 0, item: done },
  ]);
  const response = responseIn(end);
  assert.equal(end?.type, "completed");
  assert.deepEqual(response["output"], [done]);
  assert.equal(response["output_text"], "hi\n");
});

const INSIDE: readonly (readonly [PartHead, readonly string[], readonly unknown[]])[] = [
  [{ type: "refusal" }, ["no"], [
    ["content_part.added", { part: { type: "refusal", refusal: "" } }],
    ["refusal.delta", { delta: "no" }],
    ["refusal.done", { refusal: "no" }],
    ["content_part.done", { part: { type: "refusal", refusal: "no" } }],
  ]],
  [{ type: "reasoning", summary: true }, ["a", "b"], [
    ["reasoning_summary_part.added", { part: { type: "summary_text", text: "" } }],
    ["reasoning_summary_text.delta", { delta: "a" }],
    ["reasoning_summary_text.delta", { delta: "b" }],
    ["reasoning_summary_text.done", { text: "ab" }],
    ["reasoning_summary_part.done", { part: { type: "summary_text", text: "ab" } }],
  ]],
  [{ type: "reasoning", summary: true }, [], []],
  [{ type: "tool_call", id: "c", name: "f", form: "function" }, ["{", "}"], [
    ["function_call_arguments.delta", { delta: "{" }],
    ["function_call_arguments.delta", { delta: "}" }],
    ["function_call_arguments.done", { name: "f", arguments: "{}" }],
  ]],
  [{ type: "tool_call", id: "c", name: "p", form: "custom" }, ["*** “x”"], [
    ["custom_tool_call_input.delta", { delta: "*** “x”" }],
    ["custom_tool_call_input.done", { input: "*** “x”" }],
  ]],
];

for (const [head, texts, expected] of INSIDE) {
  Deno.test(`a stream writes ${JSON.stringify(head)} of ${texts.length} deltas`, () => {
    const events = stream([[head, texts]]).slice(2, -1);
    const inside = events.slice(1, -1).map(
      ({ type, item_id: id, output_index: index, ...rest }) => {
        const { content_index: _, summary_index: __, ...fields } = rest;
        assert.deepEqual([index, id], [0, itemIn(events[0])["id"]]);
        return [type, fields];
      },
    );
    assert.deepEqual(inside, expected);
  });
}

Deno.test("items are numbered in order, and a cut one is incomplete", () => {
  const events = stream(
    [[{ type: "text" }, ["a"]], [{ type: "tool_call", id: "", name: "f", form: "function" }, [
      '{"a',
    ]]],
    { reason: "length" },
  );
  const done = events.filter(({ type }) => type === "output_item.done").map(({ item }) => item);
  assert.deepEqual(done, [
    message("msg_7_0", "completed", [{ type: "output_text", text: "a", annotations: [] }]),
    {
      id: "fc_7_1",
      type: "function_call",
      call_id: "call_7_0",
      name: "f",
      arguments: '{"a',
      status: "incomplete",
    },
  ]);
  assert.equal(events.at(-1)?.type, "incomplete");
  assert.deepEqual(responseIn(events.at(-1))["output"], done);
});

Deno.test("parts that overlap are written one after the other, each whole", () => {
  const call = (id: string): PartHead => ({ type: "tool_call", id, name: "f", form: "function" });
  const writer = openAiResponses.encodeStream(CONTEXT);
  const events: StreamEvent[] = [
    { type: "message_start", id: "", model: "m", createdAt: 1, usage: NO_USAGE, extra: {} },
    { type: "part_start", index: 0, part: call("a") },
    { type: "part_start", index: 1, part: call("b") },
    { type: "part_delta", index: 1, text: "[1" },
    { type: "part_delta", index: 0, text: '{"x":1}' },
    { type: "part_delta", index: 1, text: "]" },
    { type: "part_end", index: 1 },
    { type: "part_end", index: 0 },
    { type: "message_end", finish: { reason: "tool_calls" }, usage: USAGE, extra: {} },
  ];
  const done = stepAll(events, writer).map(({ data }) => JSON.parse(data))
    .filter(({ type }) => type === "response.output_item.done")
    .map(({ item, output_index: index }) => [index, item.call_id, item.arguments]);
  assert.deepEqual(done, [[0, "a", '{"x":1}'], [1, "b", "[1]"]]);
});

const FAILURES = [
  ["context-length-exceeded", "context_length_exceeded"],
  ["upstream-rate-limited", "rate_limit_exceeded"],
  ["upstream-quota-exhausted", "insufficient_quota"],
  ["upstream-timeout", "server_error"],
] as const;

for (const [type, code] of FAILURES) {
  Deno.test(`a stream that fails with ${type} says ${code}, its finished items and its usage`, () => {
    const writer = openAiResponses.encodeStream(CONTEXT);
    const start: StreamEvent[] = [
      { type: "message_start", id: "msg_7", model: "m", createdAt: 1, usage: USAGE, extra: {} },
      { type: "part_start", index: 0, part: { type: "text" } },
      { type: "part_delta", index: 0, text: "done" },
      { type: "part_end", index: 0 },
      { type: "part_start", index: 1, part: { type: "text" } },
      { type: "part_delta", index: 1, text: "cut" },
      {
        type: "message_end",
        finish: { reason: "error" },
        usage: NO_USAGE,
        extra: {},
      },
    ];
    const written = stepAll(start, writer);
    assert.doesNotMatch(written.map(({ event }) => event).join(), /completed|incomplete|failed/);
    const [frame, ...more] = [...writer.fail(new GatewayError(type, "Cannot go on"), "req_1")];
    assert.equal(frame?.event, "response.failed");
    assert.deepEqual(more, []);
    const { sequence_number: number, response } = JSON.parse(frame!.data);
    assert.equal(number, written.length);
    assert.deepEqual([response.id, response.status], ["resp_7", "failed"]);
    assert.deepEqual(response.error, { code, message: "Cannot go on" });
    assert.deepEqual(response.output.map((item: JsonObject) => item["id"]), ["msg_7_0"]);
    assert.equal(response.usage.input_tokens, 10);
  });
}

Deno.test("an item that has ended is finished, even when the stream fails next", () => {
  const writer = openAiResponses.encodeStream(CONTEXT);
  const begun: readonly StreamEvent[] = [
    { type: "message_start", id: "", model: "m", createdAt: 1, usage: NO_USAGE, extra: {} },
    { type: "part_start", index: 0, part: { type: "text" } },
    { type: "part_delta", index: 0, text: "done" },
    { type: "part_end", index: 0 },
  ];
  const written = begun.flatMap((event) => [...writer.step(event)]);
  const failed = [...writer.fail(new GatewayError("upstream-failed", "Cannot go on"), "req_1")];
  const events = [...written, ...failed].map(({ data }) => JSON.parse(data));
  assert.deepEqual(events.map(({ sequence_number }) => sequence_number), [...events.keys()]);
  assert.equal(events.at(-2).type, "response.output_item.done");
  assert.deepEqual(events.at(-1).response.output, [events.at(-2).item]);
  assert.equal(events.at(-1).response.usage, null);
});
