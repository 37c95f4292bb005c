import assert from "node:assert/strict";
import type { BridgeFeature } from "@/core/bridge_features.ts";
import type { ChatRequest, Reasoning } from "@/core/chat.ts";
import { GatewayError } from "@/core/errors.ts";
import type { Json, JsonObject } from "@/core/json.ts";
import { openAiResponses } from "@/dialects/openai_responses/mod.ts";
import { plainTarget, wireOf } from "./dialect_target.ts";
import { plain, requestOf, text, user } from "./neutral_requests.ts";

const PIXEL =
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

function decode(fields: JsonObject) {
  return openAiResponses.decodeRequest(
    wireOf(JSON.stringify({ model: "fast", input: "hi", ...fields })),
  );
}

/** Without the marks of where it came from. */
function bare(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value), (key, inner) => key === "extra" ? undefined : inner);
}

const FIELDS: readonly (readonly [JsonObject, Partial<ChatRequest>])[] = [
  [{ instructions: "Be kind." }, { instructions: [text("Be kind.")] }],
  [{ max_output_tokens: 9 }, { maxOutputTokens: 9 }],
  [{ temperature: 0.5, top_p: 1 }, { sampling: { temperature: 0.5, topP: 1 } }],
  [{ parallel_tool_calls: false }, { parallelToolCalls: false }],
  [{ prompt_cache_key: "k", user: "u" }, { cacheKey: "k", user: "u" }],
  [{ text: { verbosity: "low" } }, { verbosity: "low" }],
  [{ text: { format: { type: "json_object" } } }, { output: { type: "json" } }],
  [
    { text: { format: { type: "json_schema", name: "n", schema: { a: 1.5 }, strict: null } } },
    { output: { type: "schema", name: "n", schema: { a: 1.5 }, strict: null } },
  ],
  [
    { reasoning: { effort: "high", summary: "auto" } },
    { reasoning: { mode: "effort", effort: "high", summary: "auto" } as Reasoning },
  ],
  [
    { reasoning: { generate_summary: "concise" } },
    { reasoning: { mode: "effort", summary: "concise" } as Reasoning },
  ],
  [{ stream: true }, { stream: true }],
  [{ tool_choice: "required" }, { toolChoice: { mode: "required" } }],
  [
    { tool_choice: { type: "custom", name: "patch" } },
    { toolChoice: { mode: "tool", name: "patch", form: "custom" } },
  ],
  [
    {
      tool_choice: {
        type: "allowed_tools",
        mode: "required",
        tools: [{ type: "function", name: "a" }, { type: "web_search" }],
      },
    },
    { toolChoice: { mode: "allowed", force: true, tools: [{ name: "a" }] } },
  ],
];

for (const [fields, neutral] of FIELDS) {
  Deno.test(`a Responses body reads ${JSON.stringify(fields)}`, () => {
    const { request } = decode(fields);
    const expected = { ...requestOf({ model: "fast", ...neutral }), caller: "openai-responses" };
    assert.deepEqual(bare(request), bare(expected));
  });
}

const CALL = { type: "tool_call", id: "call_1", name: "f", form: "function", input: "{}" } as const;
const PATCH = {
  ...CALL,
  id: "call_2",
  name: "patch",
  form: "custom",
  input: "*** Begin\n",
} as const;

const TURNS: readonly (readonly [string, readonly Json[], readonly unknown[]])[] = [
  ["a text without a type", [{ role: "user", content: "hi" }], [user(text("hi"))]],
  [
    "texts, images and details",
    [{
      role: "user",
      content: [
        { type: "input_text", text: "a" },
        { type: "input_image", image_url: `data:image/png;base64,${PIXEL}`, detail: "original" },
        { type: "input_image", image_url: { url: "https://x.example/i.jpg" } },
      ],
    }],
    [user(
      text("a"),
      {
        type: "image",
        source: { kind: "base64", mediaType: "image/png", data: PIXEL },
        detail: "original",
        ...plain,
      },
      { type: "image", source: { kind: "url", url: "https://x.example/i.jpg" }, ...plain },
    )],
  ],
  [
    "what the model made, item after item, as one turn",
    [
      {
        type: "reasoning",
        id: "rs_1",
        summary: [{ type: "summary_text", text: "a" }],
        encrypted_content: "E",
      },
      {
        type: "message",
        role: "assistant",
        content: [{ type: "output_text", text: "b" }, { type: "refusal", refusal: "c" }],
      },
      { type: "function_call", call_id: "call_1", name: "f", arguments: "{}" },
      { type: "custom_tool_call", call_id: "call_2", name: "patch", input: "*** Begin\n" },
      { type: "function_call_output", call_id: "call_1", output: "ok" },
      {
        type: "custom_tool_call_output",
        call_id: "call_2",
        output: [{ type: "input_text", text: "done" }],
      },
      { role: "developer", content: "later" },
    ],
    [
      {
        role: "assistant",
        parts: [
          {
            type: "reasoning",
            text: "a",
            summary: true,
            proof: { kind: "encrypted", dialect: "openai-responses", value: "E", id: "rs_1" },
          },
          { type: "text", text: "b" },
          { type: "refusal", text: "c" },
          CALL,
          PATCH,
        ],
      },
      {
        role: "tool",
        parts: [{
          type: "tool_result",
          callId: "call_1",
          form: "function",
          parts: [text("ok")],
          isError: false,
        }],
      },
      {
        role: "tool",
        parts: [{
          type: "tool_result",
          callId: "call_2",
          form: "custom",
          parts: [text("done")],
          isError: false,
        }],
      },
      { role: "developer", parts: [text("later")] },
    ],
  ],
  [
    "reasoning texts as summaries, joined by a blank line",
    [{
      type: "reasoning",
      summary: [{ type: "summary_text", text: "a" }, { type: "summary_text", text: "b" }],
      content: [{ type: "reasoning_text", text: "c" }],
      encrypted_content: "anthropic:signature:S=",
    }],
    [{
      role: "assistant",
      parts: [{
        type: "reasoning",
        text: "a\n\nb\n\nc",
        summary: true,
        proof: { kind: "signature", dialect: "anthropic", value: "S=" },
      }],
    }],
  ],
  [
    "cache markers of both spellings on pieces, items and results",
    [
      {
        role: "user",
        content: [{ type: "input_text", text: "a", prompt_cache_breakpoint: { mode: "explicit" } }],
      },
      { role: "user", cache_control: { type: "ephemeral", ttl: "1h" }, content: "b" },
      {
        type: "function_call_output",
        call_id: "call_1",
        output: "ok",
        cache_control: { type: "ephemeral" },
      },
    ],
    [
      user(text("a", { cache: { spelling: "prompt_cache_breakpoint" } })),
      user(text("b", { cache: { ttl: "1h", spelling: "cache_control" } })),
      {
        role: "tool",
        parts: [{
          cache: { spelling: "cache_control" },
          type: "tool_result",
          callId: "call_1",
          form: "function",
          parts: [text("ok")],
          isError: false,
        }],
      },
    ],
  ],
];

for (const [title, input, messages] of TURNS) {
  Deno.test(`a Responses body reads ${title}`, () => {
    const { request, barriers } = decode({ input });
    assert.deepEqual(bare(request.messages), bare(messages));
    assert.deepEqual(barriers, []);
  });
}

Deno.test("id, status and phase of items stay with their parts, on this wire alone", () => {
  const { request } = decode({
    input: [{
      id: "msg_1",
      type: "message",
      role: "assistant",
      status: "completed",
      phase: "commentary",
      content: "a",
    }],
  });
  assert.deepEqual(request.messages[0]?.parts[0]?.extra, {
    "openai-responses": { id: "msg_1", status: "completed", phase: "commentary" },
  });
});

const GRAMMAR = { type: "grammar", syntax: "lark", definition: "start: /.+/" } as const;
const WIRE_TOOLS: readonly Json[] = [
  { type: "function", name: "f", description: "d", parameters: { type: "object" }, strict: true },
  { type: "custom", name: "patch", format: GRAMMAR },
  {
    type: "namespace",
    name: "crm",
    description: "Customers",
    tools: [{ type: "function", name: "find", parameters: { type: "object" } }, {
      type: "custom",
      name: "note",
    }],
  },
  { type: "web_search", search_context_size: "low" },
];

Deno.test("tools are read flat, namespaces on each, and are written as they came", () => {
  const { request, barriers } = decode({ tools: WIRE_TOOLS });
  assert.deepEqual(bare(request.tools), [
    { form: "function", name: "f", description: "d", parameters: { type: "object" }, strict: true },
    { form: "custom", name: "patch", format: GRAMMAR },
    { form: "function", name: "find", namespace: "crm", parameters: { type: "object" } },
    { form: "custom", name: "note", namespace: "crm" },
    { form: "opaque", dialect: "openai-responses", value: WIRE_TOOLS[3] },
  ]);
  assert.deepEqual(barriers, []);
  const { body } = openAiResponses.encodeRequest(request, plainTarget("openai-responses"));
  assert.deepEqual(body["tools"], WIRE_TOOLS);
});

const BARRIERS: readonly (readonly [JsonObject, readonly BridgeFeature[]])[] = [
  [{ previous_response_id: "resp_1" }, ["previous-response-id"]],
  [{ tool_choice: null }, ["null-tool-choice"]],
  [{ conversation: "c" }, ["stored-state"]],
  [{ prompt: { id: "p" } }, ["stored-state"]],
  [{ input: [{ type: "item_reference", id: "msg_1" }] }, ["stored-state"]],
  [{ input: [{ type: "compaction", encrypted_content: "E" }] }, ["stored-state"]],
  [{ truncation: "auto" }, ["truncation"]],
  [{ truncation: "disabled", background: false, top_logprobs: 0 }, []],
  [{ top_logprobs: 2 }, ["logprobs"]],
  [{ include: ["message.output_text.logprobs"] }, ["logprobs"]],
  [{ include: ["reasoning.encrypted_content"] }, []],
  [{ context_management: [{ type: "compaction" }] }, ["context-management"]],
  [{ moderation: { model: "m" } }, ["moderation"]],
  [{ text: { format: { type: "json_object" } } }, ["json-object"]],
  [{ text: { format: { type: "grammar" } } }, ["other"]],
  [{ tools: [{ type: "local_shell" }] }, ["typed-tools"]],
  [{ tools: [{ type: "tomorrow" }] }, ["typed-tools"]],
  [{ tools: [{ type: "namespace", name: "n", tools: [{ type: "shell" }] }] }, ["typed-tools"]],
  [{ tools: [{ type: "web_search" }, { type: "image_generation" }] }, []],
  [{ tool_choice: { type: "apply_patch" } }, ["typed-tools"]],
  [{ input: [{ type: "local_shell_call_output", id: "x", output: "y" }] }, ["typed-tools"]],
  [{ input: [{ type: "web_search_call", id: "ws_1", status: "completed" }] }, ["hosted-tools"]],
  [{ input: [{ type: "tomorrow" }] }, ["other"]],
  [{ input: [{ role: "user", content: [{ type: "input_image", file_id: "f" }] }] }, ["image-file"]],
  [
    {
      input: [{
        role: "user",
        content: [{ type: "input_image", image_url: "data:image/bmp;base64,Qk0=" }],
      }],
    },
    ["image-type"],
  ],
  [{ input: [{ role: "user", content: [{ type: "input_file", file_data: "x" }] }] }, ["file"]],
  [{ input: [{ role: "user", content: [{ type: "input_audio" }] }] }, ["audio"]],
  [{ input: [{ role: "user", content: [{ type: "input_video" }] }] }, ["video"]],
  [
    {
      input: [{
        type: "function_call_output",
        call_id: "c",
        output: [{ type: "input_file", file_id: "f" }],
      }],
    },
    ["file"],
  ],
  [{ reasoning: { effort: "low" }, tool_choice: "required" }, ["forced-choice-with-reasoning"]],
  [{ reasoning: { effort: "none" }, tool_choice: "required" }, []],
];

for (const [fields, barriers] of BARRIERS) {
  Deno.test(`a Responses body with ${JSON.stringify(fields)} has barriers [${barriers}]`, () => {
    assert.deepEqual(decode(fields).barriers, barriers);
  });
}

const UNREADABLE: readonly (readonly [JsonObject, string])[] = [
  [{ input: [{ role: "robot", content: "x" }] }, "input[0].role"],
  [{ input: [{ content: "x" }] }, "input[0].role"],
  [{ input: [{ role: "user", content: 7 }] }, "input[0].content"],
  [{ input: [{ role: "user", content: [7] }] }, "input[0].content[0]"],
  [{ input: [{ role: "user", content: [{ type: "input_text" }] }] }, "input[0].content[0].text"],
  [
    { input: [{ role: "user", content: [{ type: "input_image" }] }] },
    "input[0].content[0].image_url",
  ],
  [{ input: ["x"] }, "input[0]"],
  [
    { input: [{ type: "function_call", call_id: "c", name: "f", arguments: {} }] },
    "input[0].arguments",
  ],
  [{ input: [{ type: "custom_tool_call", name: "f", input: "" }] }, "input[0].call_id"],
  [{ input: [{ type: "function_call_output", call_id: "c" }] }, "input[0].output"],
  [{ tools: [{ type: "function" }] }, "tools[0].name"],
  [{ tools: [{ type: "function", name: "f", parameters: 7 }] }, "tools[0].parameters"],
  [
    { tools: [{ type: "custom", name: "f", format: { type: "grammar", syntax: "ebnf" } }] },
    "tools[0].format",
  ],
  [{ tool_choice: "sometimes" }, "tool_choice"],
  [{ tool_choice: { type: "function" } }, "tool_choice.name"],
  [{ tool_choice: { type: "allowed_tools", mode: "any", tools: [] } }, "tool_choice.mode"],
  [{ text: { verbosity: "loud" } }, "text.verbosity"],
  [{ text: { format: { type: "json_schema", name: "n" } } }, "text.format.schema"],
  [{ reasoning: { effort: "huge" } }, "reasoning.effort"],
  [{ max_output_tokens: 0 }, "max_output_tokens"],
];

for (const [fields, path] of UNREADABLE) {
  Deno.test(`a Responses body with ${JSON.stringify(fields)} is refused at ${path}`, () => {
    assert.throws(() => decode(fields), (error) => {
      assert(error instanceof GatewayError);
      assert.equal(error.type, "invalid-request");
      assert.equal(error.details["path"], path);
      return true;
    });
  });
}

Deno.test("a choice that forces a hosted tool is refused by its type", () => {
  const choices = [
    { type: "web_search_preview" },
    { type: "allowed_tools", mode: "required", tools: [{ type: "web_search" }] },
  ];
  for (const choice of choices) {
    assert.throws(
      () => decode({ tools: [{ type: "web_search" }], tool_choice: choice }),
      { type: "provider-hosted-tools-forbidden" },
    );
  }
});
