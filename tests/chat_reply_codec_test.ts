import assert from "node:assert/strict";
import type { ChatResponse, Finish, Part, StreamEvent } from "@/core/chat.ts";
import { GatewayError } from "@/core/errors.ts";
import type { Json, JsonObject } from "@/core/json.ts";
import { stepAll } from "@/core/stream.ts";
import { NO_USAGE } from "@/core/usage.ts";
import type { SseFrame } from "@/core/wire.ts";
import { openAiChat } from "@/dialects/openai_chat/mod.ts";
import { chatRequestOf } from "./builders.ts";

const CALL_ID = "0123456789abcdef0123456789abcdef";
const CONTEXT = { callId: CALL_ID, request: chatRequestOf() };
const USAGE = {
  input: 262_960,
  output: 1_744,
  cachedInput: 257_955,
  cacheWrite: 10,
  image: null,
  reasoning: 64,
};
const USAGE_WIRE = {
  prompt_tokens: 262_960,
  completion_tokens: 1_744,
  total_tokens: 264_704,
  prompt_tokens_details: { cached_tokens: 257_955, cache_write_tokens: 10, image_tokens: 0 },
  completion_tokens_details: { reasoning_tokens: 64 },
};

const text = (value: string): Part => ({ type: "text", text: value, extra: {} });
const refusal = (value: string): Part => ({ type: "refusal", text: value, extra: {} });

function responseOf(changes: Partial<ChatResponse>): ChatResponse {
  return {
    id: "msg_7",
    model: "up-1",
    createdAt: 1_700_000_000,
    parts: [],
    finish: { reason: "stop" },
    usage: USAGE,
    extra: {},
    ...changes,
  };
}

function decodeReply(message: JsonObject, reason: Json = "stop"): ChatResponse {
  const body = {
    id: "chatcmpl-1",
    created: 5,
    model: "up-1",
    choices: [{ index: 0, message, finish_reason: reason }],
  };
  return openAiChat.decodeResponse({ bytes: new Uint8Array(), body });
}

const FUNCTION_CALL = {
  id: "call_1",
  type: "function",
  function: { name: "f", arguments: '{"a":1.0}' },
};
const CUSTOM_CALL = { id: "call_2", type: "custom", custom: { name: "lark", input: "a\nb" } };

Deno.test("chat reply gives its parts in the order reasoning, text, refusal, calls", () => {
  const { parts, id, createdAt, model, usage } = decodeReply({
    tool_calls: [FUNCTION_CALL, CUSTOM_CALL],
    content: "said",
    reasoning_content: "thought",
  });
  assert.deepEqual([id, model, createdAt, usage], ["chatcmpl-1", "up-1", 5, NO_USAGE]);
  assert.deepEqual(parts, [
    { type: "reasoning", text: "thought", summary: false, extra: {} },
    text("said"),
    {
      type: "tool_call",
      id: "call_1",
      name: "f",
      form: "function",
      input: '{"a":1.0}',
      extra: {},
    },
    { type: "tool_call", id: "call_2", name: "lark", form: "custom", input: "a\nb", extra: {} },
  ]);
});

/** Messages of replies with their finish reasons, and what the end means. */
const FINISHES: readonly (readonly [JsonObject, Json, Finish["reason"]])[] = [
  [{ content: "a" }, "stop", "stop"],
  [{ content: "" }, "stop", "stop"],
  [{ content: "a" }, "length", "length"],
  [{ content: "a" }, "content_filter", "content_filter"],
  [{ content: null }, "content_filter", "content_filter"],
  [{ tool_calls: [FUNCTION_CALL] }, "tool_calls", "tool_calls"],
  [{ tool_calls: [FUNCTION_CALL] }, "stop", "tool_calls"],
  [{ tool_calls: [FUNCTION_CALL] }, "function_call", "tool_calls"],
  [{ function_call: { name: "f", arguments: "{}" } }, "function_call", "tool_calls"],
  [{ tool_calls: [FUNCTION_CALL] }, "length", "length"],
  [{ tool_calls: [FUNCTION_CALL] }, "content_filter", "content_filter"],
  [{ refusal: "no" }, "stop", "refusal"],
  [{ content: [{ type: "refusal", refusal: "no" }] }, "stop", "refusal"],
  [{ content: "a" }, "eos", "stop"],
  [{ content: "a" }, null, "stop"],
  [{ content: null }, null, "error"],
  [{}, "eos", "error"],
  [{ content: "a" }, "error", "error"],
];

for (const [message, raw, reason] of FINISHES) {
  Deno.test(`chat reply ${JSON.stringify(message).slice(0, 50)} with ${raw} ends by ${reason}`, () => {
    const { finish } = decodeReply(message, raw);
    assert.equal(finish.reason, reason);
    assert.equal(finish.error !== undefined, reason === "error");
  });
}

Deno.test("chat reply whose call takes nothing has an empty object for it, unless it was cut", () => {
  const bare = (args: Json, raw: string) => {
    const call = { id: "call_1", type: "function", function: { name: "f", arguments: args } };
    const [part] = decodeReply({ tool_calls: [call] }, raw).parts;
    return part?.type === "tool_call" && part.input;
  };
  assert.equal(bare("", "tool_calls"), "{}");
  assert.equal(bare(null, "stop"), "{}");
  assert.equal(bare("", "length"), "");
});

const REASONS: readonly (readonly [Finish["reason"], readonly Part[], string | null])[] = [
  ["stop", [], "stop"],
  ["stop_sequence", [], "stop"],
  ["pause", [], "stop"],
  ["length", [], "length"],
  ["context_full", [], "length"],
  ["tool_calls", [], "tool_calls"],
  ["content_filter", [], "content_filter"],
  ["refusal", [], "content_filter"],
  ["refusal", [refusal("no")], "stop"],
  ["error", [], null],
];

for (const [reason, parts, expected] of REASONS) {
  Deno.test(`chat reply writes ${reason} with ${parts.length} parts as ${expected}`, () => {
    const response = responseOf({ parts, finish: { reason } });
    const body: Json = openAiChat.encodeResponse(response, CONTEXT);
    assert.equal(JSON.parse(JSON.stringify(body)).choices[0].finish_reason, expected);
  });
}

Deno.test("chat reply is written with everything that clients expect", () => {
  assert.deepEqual(
    openAiChat.encodeResponse(responseOf({ parts: [text("a"), text("b")] }), CONTEXT),
    {
      id: "chatcmpl-7",
      object: "chat.completion",
      created: 1_700_000_000,
      model: "up-1",
      choices: [{
        index: 0,
        message: { role: "assistant", content: "ab", refusal: null },
        logprobs: null,
        finish_reason: "stop",
      }],
      usage: USAGE_WIRE,
    },
  );
});

Deno.test("chat reply without an upstream id is named after the call", () => {
  const body = openAiChat.encodeResponse(responseOf({ id: "" }), CONTEXT);
  assert.equal(body["id"], `chatcmpl-${CALL_ID}`);
});

const SIGNED: Part = {
  type: "reasoning",
  text: "thought",
  summary: false,
  proof: { kind: "signature", dialect: "anthropic", value: "c2ln" },
  extra: {},
};
const DETAIL = {
  type: "reasoning.text",
  text: "thought",
  signature: "c2ln",
  format: "anthropic",
};

Deno.test("chat reply shows reasoning, proofs, refusals and calls each in its place", () => {
  const parts: readonly Part[] = [
    SIGNED,
    {
      type: "reasoning",
      text: "",
      summary: true,
      proof: { kind: "encrypted", dialect: "openai-responses", value: "ZW5j", id: "rs_1" },
      extra: {},
    },
    refusal("no"),
    { type: "tool_call", id: "", name: "f", form: "function", input: "{", extra: {} },
    { type: "tool_call", id: "call_9", name: "lark", form: "custom", input: "", extra: {} },
    { type: "opaque", dialect: "anthropic", value: { secret: 1 }, extra: {} },
  ];
  const body = openAiChat.encodeResponse(responseOf({ parts }), CONTEXT);
  assert.deepEqual(JSON.parse(JSON.stringify(body)).choices[0].message, {
    role: "assistant",
    content: null,
    refusal: "no",
    reasoning_content: "thought",
    reasoning_details: [DETAIL, { type: "reasoning.encrypted", id: "rs_1", data: "ZW5j" }],
    tool_calls: [
      { id: "call_7_0", type: "function", function: { name: "f", arguments: "{" } },
      { id: "call_9", type: "custom", custom: { name: "lark", input: "" } },
    ],
  });
});

Deno.test("chat usage that is shown reads back as what it was", () => {
  const body = openAiChat.encodeResponse(responseOf({ parts: [text("a")] }), CONTEXT);
  assert.deepEqual(openAiChat.decodeResponse({ bytes: new Uint8Array(), body }).usage, {
    ...USAGE,
    image: 0,
  });
  const unknown = openAiChat.encodeResponse(responseOf({ usage: NO_USAGE }), CONTEXT);
  assert.deepEqual(JSON.parse(JSON.stringify(unknown)).usage.total_tokens, 0);
});

const PARTS: readonly StreamEvent[] = [
  { type: "part_start", index: 0, part: { type: "reasoning", summary: false } },
  { type: "part_delta", index: 0, text: "tho" },
  { type: "part_delta", index: 0, text: "ught" },
  ...(SIGNED.type === "reasoning" && SIGNED.proof
    ? [{ type: "part_end", index: 0, proof: SIGNED.proof } as const]
    : []),
  { type: "part_start", index: 1, part: { type: "text" } },
  { type: "part_delta", index: 1, text: 'é "\n' },
  { type: "part_end", index: 1 },
  {
    type: "part_start",
    index: 2,
    part: { type: "tool_call", id: "call_a", name: "f", form: "function" },
  },
  {
    type: "part_start",
    index: 3,
    part: { type: "tool_call", id: "", name: "lark", form: "custom" },
  },
  { type: "part_start", index: 4, part: { type: "opaque", dialect: "anthropic", value: 1 } },
  { type: "part_delta", index: 4, text: "hidden" },
  { type: "part_end", index: 4 },
  { type: "part_delta", index: 3, text: "free" },
  { type: "part_delta", index: 2, text: '{"a":1.0}' },
  { type: "part_end", index: 2 },
  { type: "part_end", index: 3 },
];
const START: StreamEvent = {
  type: "message_start",
  id: "msg_7",
  model: "up-1",
  createdAt: 5,
  usage: NO_USAGE,
  extra: {},
};

function messageEnd(reason: Finish["reason"]): StreamEvent {
  return { type: "message_end", finish: { reason }, usage: USAGE, extra: {} };
}

function written(events: readonly StreamEvent[], includeUsage: boolean): readonly SseFrame[] {
  const request = chatRequestOf({ includeUsage });
  return stepAll(events, openAiChat.encodeStream({ callId: CALL_ID, request }));
}

const HEAD = { id: "chatcmpl-7", object: "chat.completion.chunk", created: 5, model: "up-1" };
const DELTAS: readonly Json[] = [
  { role: "assistant", content: "" },
  { reasoning_content: "tho" },
  { reasoning_content: "ught" },
  { reasoning_details: [DETAIL] },
  { content: 'é "\n' },
  {
    tool_calls: [{
      index: 0,
      id: "call_a",
      type: "function",
      function: { name: "f", arguments: "" },
    }],
  },
  {
    tool_calls: [{
      index: 1,
      id: "call_7_1",
      type: "custom",
      custom: { name: "lark", input: "" },
    }],
  },
  { tool_calls: [{ index: 1, custom: { input: "free" } }] },
  { tool_calls: [{ index: 0, function: { arguments: '{"a":1.0}' } }] },
];

for (const asked of [true, false]) {
  Deno.test(`chat stream with usage ${asked ? "" : "not "}asked for follows the grammar`, () => {
    const frames = written([START, ...PARTS, messageEnd("tool_calls")], asked);
    assert(frames.every(({ event }) => event === ""));
    assert.equal(frames.at(-1)?.data, "[DONE]");
    const tail = asked ? { usage: null } : {};
    const chunk = (delta: Json, reason: string | null) => ({
      ...HEAD,
      choices: [{ index: 0, delta, logprobs: null, finish_reason: reason }],
      ...tail,
    });
    assert.deepEqual(frames.slice(0, -1).map(({ data }) => JSON.parse(data)), [
      ...DELTAS.map((delta) => chunk(delta, null)),
      chunk({}, "tool_calls"),
      ...(asked ? [{ ...HEAD, choices: [], usage: USAGE_WIRE }] : []),
    ]);
  });
}

Deno.test("chat stream that broke ends with the error alone", () => {
  const encoder = openAiChat.encodeStream(CONTEXT);
  const end: StreamEvent = {
    type: "message_end",
    finish: { reason: "error" },
    usage: NO_USAGE,
    extra: {},
  };
  assert.equal(stepAll([START, ...PARTS.slice(0, 3), end], encoder).length, 3);
  const error = new GatewayError("upstream-failed", "Cannot go on: the provider broke off");
  const [frame, ...more] = [...encoder.fail(error, "req_0")];
  assert.equal(more.length, 0);
  assert.equal(JSON.parse(frame!.data).error.type, "upstream-failed");
});

Deno.test("chat stream refuses in words with stop, without words with content_filter", () => {
  const said: readonly StreamEvent[] = [
    { type: "part_start", index: 0, part: { type: "refusal" } },
    { type: "part_delta", index: 0, text: "no" },
    { type: "part_end", index: 0 },
  ];
  for (const [parts, expected] of [[said, "stop"], [[], "content_filter"]] as const) {
    const frames = written([START, ...parts, messageEnd("refusal")], false);
    assert.equal(JSON.parse(frames.at(-2)!.data).choices[0].finish_reason, expected);
  }
});
