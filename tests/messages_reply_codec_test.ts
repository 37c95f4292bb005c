import assert from "node:assert/strict";
import type { ChatResponse, Finish, Part, Proof } from "@/core/chat.ts";
import type { Json, JsonObject } from "@/core/json.ts";
import { readWire } from "@/core/scan.ts";
import type { UsageReport } from "@/core/usage.ts";
import { dialects } from "@/dialects/mod.ts";

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

const decodeUnary = (text: string) => messages.decodeResponse(wireOf(text));

function encodeUnary(changes: Partial<ChatResponse>): JsonObject {
  const response: ChatResponse = {
    id: "chatcmpl-7",
    model: "up-1",
    createdAt: 0,
    parts: [],
    finish: { reason: "stop" },
    usage: USAGE,
    extra: {},
    ...changes,
  };
  return JSON.parse(JSON.stringify(messages.encodeResponse(response, CONTEXT)));
}

Deno.test("Messages writes a reply of another dialect", () => {
  const parts: Part[] = [
    { type: "reasoning", text: "Hm", summary: true, proof: FOREIGN, extra: {} },
    { type: "reasoning", text: "", summary: true, proof: FOREIGN, extra: {} },
    { type: "reasoning", text: "Own", summary: false, proof: SIGNED, extra: {} },
    { type: "reasoning", text: "", summary: false, proof: REDACTED, extra: {} },
    { type: "text", text: "Yes", extra: {} },
    { ...CALL, input: '{"x":1.0}', extra: {} },
    { ...CALL, id: "", input: "", extra: {} },
  ];
  const reply = encodeUnary({ parts, finish: { reason: "tool_calls" } });
  assert.deepEqual(reply, {
    id: "msg_7",
    type: "message",
    role: "assistant",
    model: "up-1",
    content: [
      { type: "thinking", thinking: "Hm", signature: "" },
      { type: "thinking", thinking: "Own", signature: "EqQB" },
      { type: "redacted_thinking", data: "EmwK" },
      { type: "text", text: "Yes" },
      { type: "tool_use", id: "call_1", name: "f", input: { x: 1 } },
      { type: "tool_use", id: "call_7_1", name: "f", input: {} },
    ],
    stop_reason: "tool_use",
    stop_sequence: null,
    stop_details: null,
    container: null,
    usage: {
      input_tokens: 4,
      cache_creation_input_tokens: 12_300,
      cache_read_input_tokens: 3,
      output_tokens: 550,
      output_tokens_details: { thinking_tokens: 40 },
      cache_creation: { ephemeral_5m_input_tokens: 12_300, ephemeral_1h_input_tokens: 0 },
    },
  });
});

Deno.test("Messages never shows cut arguments as an empty object", () => {
  const finish: Finish = { reason: "length" };
  const input = (text: string) =>
    encodeUnary({ parts: [{ ...CALL, input: text, extra: {} }], finish })["content"];
  const block = { type: "tool_use", id: "call_1", name: "f" };
  assert.deepEqual(input('{"a":'), [{ ...block, input: { _raw: '{"a":' } }]);
  assert.deepEqual(input(""), [{ ...block, input: { _raw: "" } }]);
});

const ENDS: readonly (readonly [Finish["reason"], string])[] = [
  ["stop", "end_turn"],
  ["stop_sequence", "stop_sequence"],
  ["length", "max_tokens"],
  ["context_full", "model_context_window_exceeded"],
  ["tool_calls", "tool_use"],
  ["content_filter", "refusal"],
  ["refusal", "refusal"],
  ["pause", "pause_turn"],
];

for (const [reason, stopReason] of ENDS) {
  Deno.test(`Messages says ${stopReason} for ${reason}`, () => {
    const reply = encodeUnary({ finish: { reason, sequence: "END" } });
    assert.equal(reply["stop_reason"], stopReason);
    assert.equal(reply["stop_sequence"], reason === "stop_sequence" ? "END" : null);
    if (reason === "content_filter") return;
    const body = JSON.stringify({ ...reply, content: [{ type: "text", text: "x" }] });
    assert.equal(decodeUnary(body).finish.reason, reason);
  });
}

const READ_ENDS: readonly (readonly [string, Json, readonly Json[], Finish["reason"]])[] = [
  [
    "a clean stop with a call",
    "end_turn",
    [{ type: "tool_use", id: "a", name: "f", input: {} }],
    "tool_calls",
  ],
  [
    "a full output with a call",
    "max_tokens",
    [{ type: "tool_use", id: "a", name: "f", input: {} }],
    "length",
  ],
  ["an unknown reason with content", "new", [{ type: "text", text: "x" }], "stop"],
  ["an unknown reason without content", "new", [], "error"],
  ["no reason without content", null, [], "error"],
  ["an inherited word", "toString", [], "error"],
];

for (const [name, word, content, reason] of READ_ENDS) {
  Deno.test(`Messages reads ${name} as ${reason}`, () => {
    const reply = decodeUnary(JSON.stringify({ content, stop_reason: word }));
    assert.equal(reply.finish.reason, reason);
  });
}

Deno.test("Messages carries the words of a refusal both ways", () => {
  const details = { type: "refusal", category: "cyber", explanation: "No" };
  const wire = { content: [], stop_reason: "refusal", stop_details: details };
  const own = decodeUnary(JSON.stringify(wire));
  assert.deepEqual(own.parts.map((part) => part.type === "refusal" && part.text), ["No"]);
  const { content, stop_details: again } = messages.encodeResponse(own, CONTEXT);
  assert.deepEqual([content, again], [[], details]);
  const part: Part = { type: "refusal", text: "No", extra: {} };
  const other = encodeUnary({ parts: [part], finish: { reason: "refusal" } });
  assert.deepEqual([other["content"], other["stop_details"]], [
    [{ type: "text", text: "No" }],
    { type: "refusal", category: null, explanation: "No" },
  ]);
});

Deno.test("Messages reads any reply without throwing", () => {
  const content = [7, null, { type: "text", text: 7 }, { type: "tool_use" }, {
    type: "image",
    source: 7,
  }];
  const reply = decodeUnary(JSON.stringify({ id: 7, content, usage: [], stop_reason: {} }));
  assert.deepEqual(reply.parts.map(({ type }) => type), ["opaque", "tool_call", "opaque"]);
});
