import assert from "node:assert/strict";
import type { ChatRequest, Message, Part, Tool, ToolChoice } from "@/core/chat.ts";
import type { JsonObject } from "@/core/json.ts";
import { openAiResponses } from "@/dialects/openai_responses/mod.ts";
import { isStrictSchema } from "@/dialects/strict_schema.ts";
import { plainTarget, type TargetChanges } from "./dialect_target.ts";
import { plain, requestOf, text, user } from "./neutral_requests.ts";

function encode(changes: Partial<ChatRequest>, target: TargetChanges = {}) {
  return openAiResponses.encodeRequest(
    requestOf(changes),
    plainTarget("openai-responses", target),
  );
}

/** What a target gets beside the model, the turn and what every bridge adds. */
function crossed(changes: Partial<ChatRequest>, target: TargetChanges = {}): JsonObject {
  const { model: _, input: __, store, ...rest } = encode(changes, target).body;
  assert.equal(store, false, "nothing of a bridged call is stored");
  return rest;
}

const inputOf = (changes: Partial<ChatRequest>, target: TargetChanges = {}) =>
  encode(changes, target).body["input"];

const CALL = { type: "tool_call", id: "call_1", name: "f", form: "function", input: "{}" } as const;
const PATCH = {
  ...CALL,
  id: "call_2",
  name: "patch",
  form: "custom",
  input: "*** Begin\n",
} as const;

const WRITTEN: readonly (readonly [Partial<ChatRequest>, JsonObject])[] = [
  [{ maxOutputTokens: 9 }, { max_output_tokens: 9 }],
  [{ sampling: { temperature: 0.5, topP: 1 } }, { temperature: 0.5, top_p: 1 }],
  [{ cacheKey: "k", user: "u", verbosity: "high" }, {
    prompt_cache_key: "k",
    user: "u",
    text: { format: { type: "text" }, verbosity: "high" },
  }],
  [{ stream: true, parallelToolCalls: false }, { stream: true, parallel_tool_calls: false }],
  [
    { output: { type: "schema", name: "n", description: "d", schema: { type: "object" } } },
    {
      text: {
        format: { type: "json_schema", name: "n", description: "d", schema: { type: "object" } },
      },
    },
  ],
  [
    { output: { type: "schema", schema: { type: "object" } } },
    {
      text: {
        format: { type: "json_schema", name: "output", schema: { type: "object" }, strict: false },
      },
    },
  ],
  [
    { reasoning: { mode: "effort", effort: "xhigh", ...plain } },
    { reasoning: { effort: "high" }, include: ["reasoning.encrypted_content"] },
  ],
  [
    { reasoning: { mode: "budget", budgetTokens: 8_192, ...plain } },
    { reasoning: { effort: "medium" }, include: ["reasoning.encrypted_content"] },
  ],
  [{ reasoning: { mode: "adaptive", ...plain } }, {}],
  [{ reasoning: { mode: "off", ...plain } }, {}],
  [{ toolChoice: { mode: "none" } }, { tool_choice: "none" }],
  [
    { tools: [{ form: "function", name: "f", ...plain }], toolChoice: { mode: "required" } },
    {
      tools: [{
        type: "function",
        name: "f",
        parameters: { type: "object", properties: {} },
        strict: false,
      }],
      tool_choice: "required",
    },
  ],
];

for (const [changes, body] of WRITTEN) {
  Deno.test(`a bridge writes ${JSON.stringify(changes)} as Responses`, () => {
    assert.deepEqual(crossed(changes), body);
  });
}

Deno.test("a subset of tools names each in its form", () => {
  const tools: readonly Tool[] = [
    { form: "function", name: "f", ...plain },
    { form: "custom", name: "patch", ...plain },
  ];
  const toolChoice: ToolChoice = {
    mode: "allowed",
    force: false,
    tools: [{ name: "patch" }, { name: "f" }],
  };
  assert.deepEqual(crossed({ tools, toolChoice })["tool_choice"], {
    type: "allowed_tools",
    mode: "auto",
    tools: [{ type: "custom", name: "patch" }, { type: "function", name: "f" }],
  });
});

const system = (value: string): Message => ({ role: "system", parts: [text(value)], ...plain });
const MARKER = { cache: { spelling: "cache_control" } } as const;
const BREAKPOINT = { prompt_cache_breakpoint: { mode: "explicit" } } as const;
const HI = { role: "user", content: [{ type: "input_text", text: "hi" }] } as const;

Deno.test("what leads a conversation is instructions, joined by blank lines", () => {
  const messages = [
    system("b"),
    { ...system("c"), role: "developer" } as Message,
    user(text("hi")),
    system("d"),
  ];
  const { body } = encode({ instructions: [text("a")], messages });
  assert.equal(body["instructions"], "a\n\nb\n\nc");
  assert.deepEqual(body["input"], [HI, {
    role: "system",
    content: [{ type: "input_text", text: "d" }],
  }]);
});

Deno.test("instructions with a cache marker become one developer item", () => {
  const { body } = encode({
    instructions: [text("a", MARKER)],
    messages: [system("b"), user(text("hi"))],
  });
  assert.equal(body["instructions"], undefined);
  assert.deepEqual(body["input"], [
    {
      role: "developer",
      content: [{ type: "input_text", text: "a", ...BREAKPOINT }, {
        type: "input_text",
        text: "b",
      }],
    },
    HI,
  ]);
});

Deno.test("a target without cache markers gets none, and keeps its instructions", () => {
  const { body, events } = encode(
    { instructions: [text("a", MARKER)], messages: [user(text("hi", MARKER))] },
    { promptCacheMarkers: "none" },
  );
  assert.equal(body["instructions"], "a");
  assert.deepEqual(body["input"], [HI]);
  assert.deepEqual(events, [{
    field: "cache_control",
    action: "stripped",
    reason: "target-limit",
  }]);
});

Deno.test("a target may want cache markers spelled the other way, with the lifetime it knows", () => {
  const message = user(text("hi", { cache: { spelling: "cache_control", ttl: "1h" } }));
  const wire = inputOf({ messages: [message] }, { promptCacheMarkers: "cache_control" });
  assert.deepEqual(wire, [{
    role: "user",
    content: [{ type: "input_text", text: "hi", cache_control: { type: "ephemeral", ttl: "1h" } }],
  }]);
});

Deno.test("a marker of a call or a tool moves to the nearest content piece before it, else the first", () => {
  const call: Message = { role: "assistant", parts: [{ ...CALL, ...MARKER, ...plain }], ...plain };
  const tools: readonly Tool[] = [{ form: "function", name: "f", ...MARKER, ...plain }];
  const marked = { role: "user", content: [{ type: "input_text", text: "hi", ...BREAKPOINT }] };
  const item = { type: "function_call", call_id: "call_1", name: "f", arguments: "{}" };
  assert.deepEqual(inputOf({ messages: [user(text("hi")), call] }), [marked, item]);
  assert.deepEqual(inputOf({ tools }), [marked]);
});

Deno.test("a marked result is a list whose last piece is marked", () => {
  const result: Part = {
    type: "tool_result",
    callId: "c",
    form: "function",
    parts: [text("ok")],
    isError: false,
    ...MARKER,
    ...plain,
  };
  assert.deepEqual(inputOf({ messages: [{ role: "tool", parts: [result], ...plain }] }), [{
    type: "function_call_output",
    call_id: "c",
    output: [{ type: "input_text", text: "ok", ...BREAKPOINT }],
  }]);
});

Deno.test("results are texts or lists with images, failed ones say so in their text", () => {
  const result = (parts: readonly Part[], more: Partial<Part> = {}): Part =>
    ({
      type: "tool_result",
      callId: "c",
      form: "function",
      parts,
      isError: false,
      ...plain,
      ...more,
    }) as Part;
  const image: Part = {
    type: "image",
    source: { kind: "url", url: "https://x.example/i" },
    detail: "low",
    ...plain,
  };
  const parts = [
    result([text("ok")]),
    result([text("no")], { isError: true }),
    result([image], { isError: true, form: "custom" }),
    result([]),
  ];
  const wireImage = { type: "input_image", image_url: "https://x.example/i", detail: "low" };
  assert.deepEqual(
    inputOf({ messages: [{ role: "user", parts: [...parts, text("hi")], ...plain }] }),
    [
      { type: "function_call_output", call_id: "c", output: "ok" },
      { type: "function_call_output", call_id: "c", output: "[error] no" },
      {
        type: "custom_tool_call_output",
        call_id: "c",
        output: [{ type: "input_text", text: "[error] " }, wireImage],
      },
      { type: "function_call_output", call_id: "c", output: "" },
      HI,
    ],
  );
});

Deno.test("a turn of the assistant is one item per part", () => {
  const parts: Part[] = [
    text("a"),
    { type: "refusal", text: "b", ...plain },
    { ...CALL, ...plain },
    { ...PATCH, ...plain },
  ];
  assert.deepEqual(inputOf({ messages: [{ role: "assistant", parts, ...plain }] }), [
    { role: "assistant", content: [{ type: "output_text", text: "a" }] },
    { role: "assistant", content: [{ type: "refusal", refusal: "b" }] },
    { type: "function_call", call_id: "call_1", name: "f", arguments: "{}" },
    { type: "custom_tool_call", call_id: "call_2", name: "patch", input: "*** Begin\n" },
  ]);
});

Deno.test("an image in a turn of the assistant is refused: no item can hold it", () => {
  const image: Part = {
    type: "image",
    source: { kind: "url", url: "https://x.example/i" },
    ...plain,
  };
  assert.throws(
    () => inputOf({ messages: [{ role: "assistant", parts: [image], ...plain }] }),
    { type: "invalid-request" },
  );
});

Deno.test("own reasoning goes back; without another one the ids of its turn go, too", () => {
  const own = { "openai-responses": { id: "fc_1" } };
  const proof = { kind: "encrypted", dialect: "openai-responses", value: "E", id: "rs_1" } as const;
  const foreign = { kind: "signature", dialect: "anthropic", value: "S" } as const;
  const turn = (reasoning: Partial<Part>): Message => ({
    role: "assistant",
    parts: [
      { type: "reasoning", text: "t", summary: true, ...plain, ...reasoning } as Part,
      { ...CALL, extra: own },
    ],
    ...plain,
  });
  const call = { type: "function_call", call_id: "call_1", name: "f", arguments: "{}" };
  assert.deepEqual(inputOf({ messages: [turn({ proof } as Partial<Part>)] }), [
    {
      type: "reasoning",
      id: "rs_1",
      summary: [{ type: "summary_text", text: "t" }],
      encrypted_content: "E",
    },
    { ...call, id: "fc_1" },
  ]);
  for (
    const [without, reason] of [[{}, "unsigned"], [{ proof: foreign }, "foreign-proof"]] as const
  ) {
    const { body, events } = encode({ messages: [turn(without as Partial<Part>)] });
    assert.deepEqual(body["input"], [call]);
    assert.deepEqual(events, [{ field: "reasoning", action: "stripped", reason }]);
  }
});

const DROPPED: readonly (readonly [string, Partial<ChatRequest>, TargetChanges])[] = [
  ["top_k", { sampling: { topK: 4 } }, {}],
  ["seed", { sampling: { seed: 4 } }, {}],
  ["cache_control", { cacheAuto: true }, {}],
  ["name", { messages: [{ ...user(text("hi")), name: "Ada" }] }, {}],
  ["metadata", { extra: { "openai-chat": { metadata: { a: "b" } } } }, {}],
  ["tools", { tools: [{ form: "opaque", dialect: "openai-chat", value: {}, ...plain }] }, {}],
  [
    "temperature",
    { sampling: { temperature: 1 }, reasoning: { mode: "effort", effort: "low", ...plain } },
    { reasoning: { rejectsTemperature: true } },
  ],
];

for (const [field, changes, target] of DROPPED) {
  Deno.test(`a bridge to Responses says that it left out ${field}`, () => {
    const { body, events } = encode(changes, target);
    assert.deepEqual(events.map((event) => [event.field, event.action]), [[field, "stripped"]]);
    assert.equal(body[field], undefined);
  });
}

Deno.test("only hosted tools of another wire cannot serve a forced choice", () => {
  const tools: readonly Tool[] = [{
    form: "opaque",
    dialect: "openai-chat",
    value: { type: "web_search" },
    ...plain,
  }];
  assert.throws(
    () => encode({ tools, toolChoice: { mode: "required" } }),
    { type: "provider-hosted-tools-forbidden" },
  );
  assert.deepEqual(crossed({ tools, toolChoice: { mode: "auto" } }), {});
});

const STRICT: readonly (readonly [JsonObject, boolean])[] = [
  [{ type: "object", properties: {}, additionalProperties: false }, true],
  [{ type: "object", properties: { a: {} }, required: ["a"], additionalProperties: false }, true],
  [{ type: "object", properties: { a: {} }, required: [], additionalProperties: false }, false],
  [{ type: "object", properties: { a: {} }, required: ["a"] }, false],
  [{ type: "string" }, false],
  [{ type: ["object", "null"], additionalProperties: true }, false],
  [{
    type: "object",
    properties: { a: { type: "array", items: { type: "object", properties: {} } } },
    required: ["a"],
    additionalProperties: false,
  }, false],
  [{
    type: "object",
    properties: { properties: { anyOf: [{ type: "string" }, { $ref: "#/$defs/o" }] } },
    required: ["properties"],
    additionalProperties: false,
    $defs: { o: { type: "object", properties: {}, additionalProperties: false } },
  }, true],
];

for (const [schema, strict] of STRICT) {
  Deno.test(`schema ${JSON.stringify(schema)} can ${strict ? "" : "not "}be strict`, () => {
    assert.equal(isStrictSchema(schema), strict);
  });
}
