import assert from "node:assert/strict";
import type { Finish, StreamEvent } from "@/core/chat.ts";
import type { Json, JsonObject } from "@/core/json.ts";
import { stepAll } from "@/core/stream.ts";
import type { UpstreamClass } from "@/core/upstream_error.ts";
import type { SseFrame } from "@/core/wire.ts";
import { openAiChat } from "@/dialects/openai_chat/mod.ts";

const HEAD = { id: "chatcmpl-1", object: "chat.completion.chunk", created: 5, model: "up-1" };
const DONE: SseFrame = { event: "", data: "[DONE]" };

const frame = (value: JsonObject, event = ""): SseFrame => ({ event, data: JSON.stringify(value) });
const choice = (value: JsonObject): SseFrame =>
  frame({ ...HEAD, choices: [{ index: 0, ...value }] });
const delta = (value: JsonObject): SseFrame => choice({ delta: value });
const calls = (...list: readonly JsonObject[]): SseFrame => delta({ tool_calls: list });
const finish = (reason: string): SseFrame => choice({ delta: {}, finish_reason: reason });

function read(...frames: readonly SseFrame[]): readonly StreamEvent[] {
  return stepAll(frames, openAiChat.decodeStream());
}

/** Parts of a stream as `type: text`, calls with id and name, in order of start. */
function partsOf(events: readonly StreamEvent[]): readonly string[] {
  const parts: string[] = [];
  for (const event of events) {
    if (event.type === "part_delta") parts[event.index] += event.text;
    if (event.type !== "part_start") continue;
    const { part } = event;
    assert.equal(event.index, parts.length);
    parts.push(
      part.type === "tool_call" ? `${part.form} ${part.id} ${part.name}: ` : `${part.type}: `,
    );
  }
  return parts;
}

function endOf(events: readonly StreamEvent[]): Finish {
  const ends = events.filter((event) => event.type === "message_end");
  assert.equal(ends.length, 1);
  assert.equal(events.at(-1), ends[0]);
  return ends[0]!.finish;
}

function assertBroken(events: readonly StreamEvent[], cause: UpstreamClass): void {
  const { reason, error } = endOf(events);
  assert.equal(reason, "error");
  assert.equal(error?.class, cause);
}

const first = (value: JsonObject): JsonObject => ({
  index: 0,
  id: "call_a",
  type: "function",
  function: { name: "f", arguments: "" },
  ...value,
});
const more = (index: number, args: string): JsonObject => ({
  index,
  function: { arguments: args },
});

/** Frames before the end, and the parts they give. */
const STREAMS: readonly (readonly [string, readonly SseFrame[], readonly string[]])[] = [
  ["text in its opening frame", [delta({ role: "assistant", content: "a" })], ["text: a"]],
  ["deltas that are null, absent or empty", [
    choice({ delta: null }),
    choice({}),
    delta({ content: null, refusal: null, tool_calls: null }),
    frame({ ...HEAD, choices: [] }),
    delta({ content: "a" }),
    delta({ content: "" }),
  ], ["text: a"]],
  ["chunks without role, id and object", [
    frame({ choices: [{ delta: { content: "a" } }] }),
    frame({ choices: [{ delta: { content: "b" } }] }),
  ], ["text: ab"]],
  ["content as parts", [
    delta({ content: [{ type: "text", text: "a" }, { type: "text", text: "b" }] }),
    delta({ content: [{ type: "refusal", refusal: "c" }] }),
  ], ["text: ab", "refusal: c"]],
  ["both names of reasoning", [
    delta({ reasoning: "a" }),
    delta({ reasoning_content: "b", content: null }),
    delta({ content: "c" }),
  ], ["reasoning: ab", "text: c"]],
  ["reasoning beside an empty text of its other name", [
    delta({ reasoning_content: "", reasoning: "a" }),
  ], ["reasoning: a"]],
  ["content that thinks in parts", [
    delta({ content: [{ type: "thinking", thinking: [{ type: "text", text: "a" }] }] }),
    delta({
      content: [{ type: "thinking", thinking: "b" }, { type: "text", text: "c" }],
      reasoning_content: "",
    }),
  ], ["reasoning: ab", "text: c"]],
  ["reasoning that goes on after text", [
    delta({ reasoning_content: "a" }),
    delta({ content: "b" }),
    delta({ reasoning_content: "c" }),
  ], ["reasoning: a", "text: b", "reasoning: c"]],
  ["a delta with everything in it", [
    delta({
      tool_calls: [first({})],
      refusal: "r",
      content: "t",
      reasoning: "s",
    }),
  ], ["reasoning: s", "text: t", "refusal: r", "function call_a f: {}"]],
  ["other choices", [
    frame({ ...HEAD, choices: [{ index: 1, delta: { content: "b" }, finish_reason: "stop" }] }),
    delta({ content: "a" }),
  ], ["text: a"]],
  ["interleaved calls", [
    calls(first({}), first({ index: 1, id: "call_b" })),
    calls(more(1, '{"b"')),
    calls(more(0, '{"a"')),
    calls(more(1, ":1.0}"), more(0, ":2}")),
  ], ['function call_a f: {"a":2}', 'function call_b f: {"b":1.0}']],
  ["calls without index", [
    calls({ id: "call_a", function: { name: "f", arguments: "{" } }),
    calls({ function: { arguments: "}" } }),
    calls({ id: "call_b", function: { name: "g", arguments: "[" } }),
    calls({ id: "call_a", function: { arguments: " " } }),
  ], ["function call_a f: {} ", "function call_b g: ["]],
  ["a new call at a used index", [
    calls(first({ function: { name: "f", arguments: "{}" } })),
    calls(first({ id: "call_b", function: { name: "g", arguments: "[]" } })),
    calls(more(0, " ")),
  ], ["function call_a f: {}", "function call_b g: [] "]],
  ["calls without index and id", [
    calls(
      { id: "", function: { name: "f", arguments: '{"a":1}' } },
      { id: "", function: { name: "g", arguments: "{}" } },
    ),
    calls({ function: { name: "g", arguments: '{"b":' } }),
    calls({ function: { name: "g", arguments: "2}" } }),
    calls({ function: { name: "h" } }),
  ], ['function  f: {"a":1}', "function  g: {}", 'function  g: {"b":2}', "function  h: {}"]],
  ["calls without id at one index", [
    calls({ index: 0, function: { name: "f", arguments: '{"a":1}' } }),
    calls({ index: 0, function: { name: "f", arguments: "" } }),
    calls({ index: 0, function: { name: "f", arguments: '{"a":2}' } }),
  ], ['function  f: {"a":1}', 'function  f: {"a":2}']],
  ["a repeated name and id", [
    calls(first({})),
    calls(first({ function: { name: "f", arguments: "{}" } })),
  ], ["function call_a f: {}"]],
  ["arguments that are said again at the end", [
    calls(first({})),
    calls(more(0, '{"a":'), more(0, "1}")),
    calls(first({ function: { name: "f", arguments: '{"a":1}' } })),
    calls(more(0, '{"a":1}')),
  ], ['function call_a f: {"a":1}']],
  ["arguments that each fragment says from the start", [
    calls(first({})),
    calls(more(0, "{"), more(0, '{"a"'), more(0, '{"a":"x,'), more(0, '{"a":"x,"'), more(0, "}")),
    calls(more(0, '{"a":"x,"}')),
  ], ['function call_a f: {"a":"x,"}']],
  ["arguments that are said again before they are whole", [
    calls(first({})),
    calls(more(0, '{"a":1'), more(0, ',"b":2')),
    calls(first({ function: { name: "f", arguments: '{"a":1,"b":2}' } })),
  ], ['function call_a f: {"a":1,"b":2}']],
  ["alike calls without index and id in one delta", [
    calls({ function: { name: "f", arguments: "" } }, { function: { name: "f", arguments: "{" } }),
    calls({ function: { arguments: "}" } }),
  ], ["function  f: {}", "function  f: {}"]],
  ["arguments that begin again inside themselves", [
    calls(first({})),
    calls(more(0, '{"a":'), more(0, '{"a":'), more(0, "1}}")),
  ], ['function call_a f: {"a":{"a":1}}']],
  ["a name that comes late", [
    calls({ index: 0, id: "call_a", function: { arguments: "{" } }),
    calls({ index: 0, function: { name: "f", arguments: "}" } }),
  ], ["function call_a f: {}"]],
  ["a call without id and arguments", [calls({ index: 0, function: { name: "f" } })], [
    "function  f: {}",
  ]],
  ["arguments that are an object", [
    calls({ index: 0, id: "a", function: { name: "f", arguments: { x: 1 } } }),
  ], ['function a f: {"x":1}']],
  ["a custom tool", [
    calls({ index: 0, id: "call_a", type: "custom", custom: { name: "lark", input: "" } }),
    calls({ index: 0, custom: { input: "a\n" } }),
    calls({ index: 0, custom: { input: "b" } }),
  ], ["custom call_a lark: a\nb"]],
  ["the old function call", [
    delta({ function_call: { name: "f", arguments: "" } }),
    delta({ function_call: { arguments: "{}" } }),
  ], ["function  f: {}"]],
  ["text while a call is open", [
    calls(first({})),
    delta({ content: "a" }),
    calls(more(0, "{}")),
  ], ["function call_a f: {}", "text: a"]],
  ["a closing message that says more", [
    delta({ content: "a" }),
    calls(first({ function: { name: "f", arguments: "{" } })),
    choice({
      message: {
        content: "ab",
        tool_calls: [
          { id: "call_a", function: { name: "f", arguments: "{}" } },
          { id: "call_b", function: { name: "g", arguments: "[]" } },
        ],
      },
    }),
  ], ["text: a", "function call_a f: {}", "text: b", "function call_b g: []"]],
  ["a closing message that says something else", [
    delta({ content: "a" }),
    choice({ message: { content: "xyz" } }),
  ], ["text: a"]],
  ["a message and no delta", [choice({ message: { content: "a" } })], ["text: a"]],
  ["unknown events and pings", [
    { event: "", data: "" },
    frame({ type: "ping" }, "ping"),
    frame({ news: 1, choices: [null, 7] }),
    delta({ content: "a" }),
  ], ["text: a"]],
];

for (const [what, frames, expected] of STREAMS) {
  Deno.test(`chat stream reads ${what}`, () => {
    const events = read(...frames, finish("stop"), DONE);
    assert.deepEqual(partsOf(events), expected);
    assert.notEqual(endOf(events).reason, "error");
    assert.equal(events.filter(({ type }) => type === "message_start").length, 1);
    assert.equal(events[0]?.type, "message_start");
    const ends = events.flatMap((event) => event.type === "part_end" ? [event.index] : []);
    assert.deepEqual(ends.sort(), expected.map((_, index) => index));
    const tap = openAiChat.tap({ withholdUsage: false });
    for (const each of frames) tap.read(each);
    const called = expected.filter((part) => /^(function|custom) /.test(part));
    assert.equal(tap.facts().toolCalls, called.length);
  });
}

Deno.test("chat stream tells its id, model and time at the start", () => {
  const [start] = read(delta({ role: "assistant" }));
  assert(start?.type === "message_start");
  assert.deepEqual([start.id, start.model, start.createdAt], ["chatcmpl-1", "up-1", 5]);
});

Deno.test("chat stream passes each delta at once", () => {
  const decoder = openAiChat.decodeStream();
  const texts = ["a", "b", "c"].map((content) =>
    [...decoder.step(delta({ content }))].flatMap((event) =>
      event.type === "part_delta" ? [event.text] : []
    )
  );
  assert.deepEqual(texts, [["a"], ["b"], ["c"]]);
});

Deno.test("chat stream closes a text where another kind of content begins", () => {
  const events = read(delta({ reasoning: "a" }), delta({ content: "b" }), calls(first({})));
  assert.deepEqual(events.slice(1, 8).map(({ type }) => type), [
    "part_start",
    "part_delta",
    "part_end",
    "part_start",
    "part_delta",
    "part_end",
    "part_start",
  ]);
});

Deno.test("chat stream takes the last usage, wherever it stands", () => {
  const usage = (prompt_tokens: number, more: JsonObject = {}) =>
    frame({ ...HEAD, choices: [], usage: { prompt_tokens, completion_tokens: 2 }, ...more });
  const events = read(
    usage(1, { choices: [{ index: 0, delta: { content: "a" } }] }),
    finish("stop"),
    usage(7),
    frame({ ...HEAD, choices: [], usage: null }),
    frame({ ...HEAD, choices: [], usage: {} }),
    DONE,
    usage(9),
  );
  const end = events.at(-1);
  assert(end?.type === "message_end");
  assert.equal(end.usage.input, 7);
});

/** What ends a stream after its content, and what the end means. */
const ENDS: readonly (readonly [string, readonly SseFrame[], Finish["reason"]])[] = [
  ["stop", [finish("stop"), DONE], "stop"],
  ["stop and no [DONE]", [finish("stop")], "stop"],
  ["[DONE] alone", [DONE], "stop"],
  ["length", [finish("length"), DONE], "length"],
  ["content_filter", [finish("content_filter"), DONE], "content_filter"],
  ["an unknown word", [finish("eos"), DONE], "stop"],
  ["an empty word and [DONE]", [finish(""), DONE], "stop"],
  ["a cut", [], "error"],
  ["error", [finish("error"), DONE], "error"],
  ["a second end", [finish("stop"), DONE, finish("length"), DONE], "stop"],
];

for (const [what, frames, reason] of ENDS) {
  Deno.test(`chat stream with text and ${what} ends by ${reason}`, () => {
    assert.equal(endOf(read(delta({ content: "a" }), ...frames)).reason, reason);
  });
}

Deno.test("chat stream with a call ends by tool_calls unless it was cut", () => {
  const opened = calls(first({}), more(0, '{"a'));
  assert.equal(endOf(read(opened, finish("stop"), DONE)).reason, "tool_calls");
  assert.equal(endOf(read(opened, finish("length"), DONE)).reason, "length");
  const events = read(opened, finish("length"), DONE);
  assert.deepEqual(partsOf(events), ['function call_a f: {"a']);
});

Deno.test("chat stream that was cut before the arguments of a call has none", () => {
  assert.deepEqual(partsOf(read(calls(first({})), finish("length"))), ["function call_a f: "]);
});

Deno.test("chat stream with a refusal ends by refusal", () => {
  assert.equal(endOf(read(delta({ refusal: "no" }), finish("stop"), DONE)).reason, "refusal");
});

Deno.test("chat stream without content or reason is an error", () => {
  assertBroken(read(delta({ role: "assistant", content: "" }), DONE), "upstream_bad_response");
  assertBroken(read(), "upstream_network");
  assertBroken(read(delta({ content: "a" })), "upstream_network");
});

const ERRORS: readonly (readonly [SseFrame, UpstreamClass])[] = [
  [frame({ error: { message: "x", code: "context_length_exceeded" } }), "upstream_context_length"],
  [frame({ error: "overloaded" }), "upstream_overloaded"],
  [frame({ type: "rate_limit_error", message: "slow down" }, "error"), "upstream_rate_limited"],
];

for (const [fault, cause] of ERRORS) {
  Deno.test(`chat stream with ${fault.data} is ${cause}, and nothing follows`, () => {
    const events = read(
      delta({ content: "a" }),
      fault,
      delta({ content: "b" }),
      finish("stop"),
      DONE,
    );
    assertBroken(events, cause);
    assert.deepEqual(partsOf(events), ["text: a"]);
    assert(events.every(({ type }) => type !== "part_end"));
  });
}

const GARBAGE: SseFrame = { event: "", data: "{broken" };

Deno.test("chat stream skips two frames in a row that are no JSON, not three", () => {
  const [a, b] = [delta({ content: "a" }), delta({ content: "b" })];
  const survived = read(a, GARBAGE, GARBAGE, b, GARBAGE, GARBAGE, finish("stop"), DONE);
  assert.deepEqual(partsOf(survived), ["text: ab"]);
  assert.equal(endOf(survived).reason, "stop");
  assertBroken(read(a, GARBAGE, GARBAGE, GARBAGE, b, DONE), "upstream_bad_response");
});

Deno.test("chat stream breaks at one frame that is no JSON inside a call", () => {
  const opened = calls(first({}));
  assertBroken(read(opened, GARBAGE, finish("stop"), DONE), "upstream_bad_response");
  const after = read(opened, finish("tool_calls"), GARBAGE, DONE);
  assert.equal(endOf(after).reason, "tool_calls");
});

Deno.test("chat stream never throws, whatever its frames hold", () => {
  const odd: readonly Json[] = [null, 0, "", "x", [], {}, [null], [{}], { id: 7, index: {} }];
  for (const key of ["id", "model", "created", "choices", "usage", "error"]) {
    for (const value of odd) endOf(read(frame({ ...HEAD, [key]: value }), DONE));
  }
  for (const key of ["index", "delta", "message", "finish_reason"]) {
    for (const value of odd) endOf(read(choice({ [key]: value }), DONE));
  }
  for (const key of ["content", "reasoning", "refusal", "tool_calls", "function_call"]) {
    for (const value of odd) endOf(read(delta({ [key]: value }), DONE));
  }
  for (const key of ["index", "id", "function", "custom"]) {
    for (const value of odd) endOf(read(calls(first({ [key]: value })), DONE));
  }
});
