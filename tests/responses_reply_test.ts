import assert from "node:assert/strict";
import type { ChatRequest, ChatResponse, Part } from "@/core/chat.ts";
import type { JsonObject } from "@/core/json.ts";
import { NO_USAGE } from "@/core/usage.ts";
import { openAiResponses } from "@/dialects/openai_responses/mod.ts";
import { wireOf } from "./dialect_target.ts";

const CALL_ID = "0123456789abcdef0123456789abcdef";
const plain = { extra: {} } as const;
const USAGE = { ...NO_USAGE, input: 10, output: 5, cachedInput: 4 };

function asked(fields: JsonObject = {}): ChatRequest {
  const body = JSON.stringify({ model: "fast", input: "hi", ...fields });
  return openAiResponses.decodeRequest(wireOf(body)).request;
}

function replyOf(changes: Partial<ChatResponse>): ChatResponse {
  return {
    id: "chatcmpl-7",
    model: "up-1",
    createdAt: 1_700_000_000,
    parts: [{ type: "text", text: "hi", ...plain }],
    finish: { reason: "stop" },
    usage: USAGE,
    extra: {},
    ...changes,
  };
}

function write(changes: Partial<ChatResponse>, request = asked()): JsonObject {
  return openAiResponses.encodeResponse(replyOf(changes), { callId: CALL_ID, request });
}

const outputOf = (parts: readonly Part[], changes: Partial<ChatResponse> = {}) =>
  write({ parts, ...changes })["output"];

Deno.test("a Responses reply has every member that callers rely on", () => {
  assert.deepEqual(write({}), {
    id: "resp_7",
    object: "response",
    created_at: 1_700_000_000,
    status: "completed",
    error: null,
    incomplete_details: null,
    instructions: null,
    metadata: {},
    model: "up-1",
    output: [{
      id: "msg_7_0",
      type: "message",
      role: "assistant",
      content: [{ type: "output_text", text: "hi", annotations: [] }],
      status: "completed",
    }],
    output_text: "hi",
    parallel_tool_calls: true,
    store: false,
    temperature: null,
    tool_choice: "auto",
    tools: [],
    top_p: null,
    usage: {
      input_tokens: 10,
      input_tokens_details: { cached_tokens: 4, cache_write_tokens: 0, image_tokens: 0 },
      output_tokens: 5,
      output_tokens_details: { reasoning_tokens: 0 },
      total_tokens: 15,
    },
  });
});

Deno.test("a Responses reply repeats what its caller asked", () => {
  const fields = {
    instructions: "Be kind.",
    max_output_tokens: 9,
    metadata: { a: "b" },
    parallel_tool_calls: false,
    reasoning: { effort: "low", summary: null },
    temperature: 0.5,
    text: { format: { type: "text" }, verbosity: "low" },
    tool_choice: { type: "function", name: "f" },
    tools: [{ type: "function", name: "f", parameters: { type: "object" } }],
    top_p: 0.25,
    truncation: "disabled",
  };
  const reply = write({}, asked(fields));
  for (const [key, value] of Object.entries(fields)) assert.deepEqual(reply[key], value, key);
});

Deno.test("ids of a Responses reply come from the upstream's, else from the call", () => {
  const call: Part = {
    type: "tool_call",
    id: "",
    name: "f",
    form: "function",
    input: "{}",
    ...plain,
  };
  assert.equal(write({ id: "msg_01X" })["id"], "resp_01X");
  assert.equal(write({ id: "" })["id"], `resp_${CALL_ID}`);
  assert.deepEqual(outputOf([call, { ...call, id: "fc_7_1" }, { ...call, form: "custom" }]), [
    {
      id: "fc_7_0",
      type: "function_call",
      call_id: "call_7_0",
      name: "f",
      arguments: "{}",
      status: "completed",
    },
    {
      id: "fc_7_1_",
      type: "function_call",
      call_id: "fc_7_1",
      name: "f",
      arguments: "{}",
      status: "completed",
    },
    {
      id: "ctc_7_2",
      type: "custom_tool_call",
      call_id: "call_7_2",
      name: "f",
      input: "{}",
      status: "completed",
    },
  ]);
});

Deno.test("reasoning of another provider is a summary, with its proof marked as foreign", () => {
  const signature = { kind: "signature", dialect: "anthropic", value: "S=" } as const;
  const redacted = { kind: "redacted", dialect: "anthropic", value: "D=" } as const;
  const reasoning = { type: "reasoning", summary: false, ...plain } as const;
  const parts: Part[] = [
    { ...reasoning, text: "why", proof: signature },
    { ...reasoning, text: "", proof: redacted },
    { ...reasoning, text: "so" },
  ];
  assert.deepEqual(outputOf(parts), [
    {
      id: "rs_7_0",
      type: "reasoning",
      summary: [{ type: "summary_text", text: "why" }],
      encrypted_content: "anthropic:signature:S=",
      status: "completed",
    },
    {
      id: "rs_7_1",
      type: "reasoning",
      summary: [],
      encrypted_content: "anthropic:redacted:D=",
      status: "completed",
    },
    {
      id: "rs_7_2",
      type: "reasoning",
      summary: [{ type: "summary_text", text: "so" }],
      status: "completed",
    },
  ]);
});

const REFUSAL: Part = { type: "refusal", text: "no", ...plain };
const FINISHES:
  readonly (readonly [ChatResponse["finish"]["reason"], readonly Part[], string | null])[] = [
    ["stop", [], null],
    ["stop_sequence", [], null],
    ["tool_calls", [], null],
    ["pause", [], null],
    ["refusal", [REFUSAL], null],
    ["refusal", [], "content_filter"],
    ["content_filter", [REFUSAL], "content_filter"],
    ["length", [], "max_output_tokens"],
    ["context_full", [], "max_output_tokens"],
  ];

for (const [reason, parts, incomplete] of FINISHES) {
  Deno.test(`finish ${reason} with ${parts.length} refusals is ${incomplete ?? "completed"}`, () => {
    const reply = write({ parts, finish: { reason } });
    assert.equal(reply["status"], incomplete === null ? "completed" : "incomplete");
    assert.deepEqual(reply["incomplete_details"], incomplete && { reason: incomplete });
  });
}

Deno.test("only the last item of a reply that was cut is incomplete", () => {
  const text: Part = { type: "text", text: "a", ...plain };
  const items = outputOf([text, text], { finish: { reason: "length" } });
  assert(Array.isArray(items));
  assert.deepEqual(items.map(({ status }) => status), ["completed", "incomplete"]);
});

const MESSAGE = {
  type: "message",
  id: "msg_1",
  role: "assistant",
  status: "completed",
  content: [{ type: "output_text", text: "hi", annotations: [] }],
};
const CALL = { type: "function_call", id: "fc_1", call_id: "call_1", name: "f", arguments: "{}" };
const REFUSED = { ...MESSAGE, content: [{ type: "refusal", refusal: "no" }] };

const READ: readonly (readonly [JsonObject, ChatResponse["finish"]["reason"]])[] = [
  [{ status: "completed", output: [MESSAGE] }, "stop"],
  [{ status: "completed", output: [] }, "stop"],
  [{ status: "completed", output: [MESSAGE, CALL] }, "tool_calls"],
  [{ status: "completed", output: [REFUSED] }, "refusal"],
  [
    { status: "incomplete", incomplete_details: { reason: "max_output_tokens" }, output: [CALL] },
    "length",
  ],
  [
    { status: "incomplete", incomplete_details: { reason: "content_filter" }, output: [CALL] },
    "content_filter",
  ],
  [{ output: [MESSAGE] }, "stop"],
  [{ output: [] }, "error"],
  [{ status: "failed", output: [] }, "error"],
];

for (const [body, reason] of READ) {
  Deno.test(`a reply ${JSON.stringify(body).slice(0, 60)} is read as ${reason}`, () => {
    const reply = openAiResponses.decodeResponse({ body, bytes: new Uint8Array() });
    assert.equal(reply.finish.reason, reason);
  });
}

Deno.test("a reply is read with its id, model and whole seconds", () => {
  const body = { id: "resp_1", model: "up-1", created_at: 1_700_000_000.5, output: [MESSAGE] };
  const { id, model, createdAt } = openAiResponses.decodeResponse({
    body,
    bytes: new Uint8Array(),
  });
  assert.deepEqual([id, model, createdAt], ["resp_1", "up-1", 1_700_000_000]);
});
