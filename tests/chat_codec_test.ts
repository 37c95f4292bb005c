import assert from "node:assert/strict";
import fc from "fast-check";
import type { ChatRequest, ToolChoice } from "@/core/chat.ts";
import { GatewayError } from "@/core/errors.ts";
import type { Json, JsonObject } from "@/core/json.ts";
import { openAiChat } from "@/dialects/openai_chat/mod.ts";
import { chatRequestOf } from "./builders.ts";
import { plainTarget, type TargetChanges, wireOf } from "./dialect_target.ts";

const USER = '"messages":[{"role":"user","content":"hi"}]';

const decode = (rest: string) => openAiChat.decodeRequest(wireOf(`{"model":"fast",${rest}}`));

function encode(request: ChatRequest, changes: TargetChanges = {}) {
  return openAiChat.encodeRequest(request, plainTarget("openai-chat", changes));
}

/** What a target gets of the fields of a Chat body beside its model and turn. */
function crossed(rest: string, changes: TargetChanges = {}): JsonObject {
  const { model: _, messages: __, ...body } = encode(decode(`${rest},${USER}`).request, changes)
    .body;
  return body;
}

/** A field of the wire, and the members of the neutral form that it gives. */
const FIELDS: readonly (readonly [string, Partial<ChatRequest>])[] = [
  ['"max_tokens":9', { maxOutputTokens: 9 }],
  ['"max_completion_tokens":8', { maxOutputTokens: 8 }],
  ['"max_tokens":9,"max_completion_tokens":8', { maxOutputTokens: 9 }],
  ['"stop":"\\n"', { stop: ["\n"] }],
  ['"stop":["a","b"]', { stop: ["a", "b"] }],
  ['"stop":null', { stop: [] }],
  ['"temperature":1.5,"top_p":0.9', { sampling: { temperature: 1.5, topP: 0.9 } }],
  ['"seed":7,"frequency_penalty":0.5,"presence_penalty":-1', {
    sampling: { seed: 7, frequencyPenalty: 0.5, presencePenalty: -1 },
  }],
  ['"parallel_tool_calls":false', { parallelToolCalls: false }],
  ['"response_format":{"type":"text"}', { output: { type: "text" } }],
  ['"response_format":{"type":"json_object"}', { output: { type: "json" } }],
  [
    '"response_format":{"type":"json_schema","json_schema":{"name":"n","description":"d","schema":{"type":"object"},"strict":null}}',
    {
      output: {
        type: "schema",
        name: "n",
        description: "d",
        schema: { type: "object" },
        strict: null,
      },
    },
  ],
  ['"reasoning_effort":"xhigh"', { reasoning: { mode: "effort", effort: "xhigh", extra: {} } }],
  ['"reasoning_effort":"none"', { reasoning: { mode: "effort", effort: "none", extra: {} } }],
  ['"thinking":{"type":"enabled","budget_tokens":2048}', {
    reasoning: {
      mode: "budget",
      budgetTokens: 2048,
      extra: {},
    },
  }],
  ['"thinking":{"type":"disabled"}', {
    reasoning: { mode: "off", extra: {} },
  }],
  ['"verbosity":"low","user":"u","prompt_cache_key":"k"', {
    verbosity: "low",
    user: "u",
    cacheKey: "k",
  }],
  ['"stream":true', { stream: true, includeUsage: false }],
  ['"stream":true,"stream_options":{"include_usage":true}', { stream: true, includeUsage: true }],
  ['"metadata":{"a":"b"},"service_tier":"flex","brand_new":[1]', {
    extra: { "openai-chat": { metadata: { a: "b" }, service_tier: "flex", brand_new: [1] } },
  }],
];

for (const [wire, expected] of FIELDS) {
  Deno.test(`chat request reads ${wire.slice(0, 70)}`, () => {
    const { request } = decode(`${wire},${USER}`);
    for (const [key, value] of Object.entries(expected)) {
      assert.deepEqual(Object.entries(request).find(([name]) => name === key)?.[1], value);
    }
    assert.equal(request.model, "fast");
    assert.equal(request.caller, "openai-chat");
  });
}

/** Fields of a Chat body, changes of the target, and what the target gets. */
const WRITTEN: readonly (readonly [string, TargetChanges, JsonObject])[] = [
  ['"max_completion_tokens":8', {}, { max_tokens: 8 }],
  ['"max_tokens":8', { outputTokenField: "max_completion_tokens" }, { max_completion_tokens: 8 }],
  ['"max_tokens":8,"reasoning_effort":"low"', { reasoning: { rejectsMaxTokens: true } }, {
    reasoning_effort: "low",
    max_completion_tokens: 8,
  }],
  ['"stop":"x"', {}, { stop: ["x"] }],
  ['"temperature":0.5,"top_p":1,"seed":3', {}, { temperature: 0.5, top_p: 1, seed: 3 }],
  [
    '"temperature":0.5,"top_p":1,"reasoning_effort":"high"',
    { reasoning: { rejectsTemperature: true, rejectsTopP: true } },
    { reasoning_effort: "high" },
  ],
  ['"reasoning_effort":"xhigh"', {}, { reasoning_effort: "high" }],
  ['"thinking":{"type":"enabled","budget_tokens":9000}', {}, {
    thinking: { type: "enabled", budget_tokens: 9000 },
  }],
  ['"stream":true,"stream_options":{"include_obfuscation":false}', {}, {
    stream: true,
    stream_options: { include_obfuscation: false, include_usage: true },
  }],
  ['"verbosity":"high","user":"u","prompt_cache_key":"k"', {}, {
    verbosity: "high",
    user: "u",
    prompt_cache_key: "k",
  }],
  ['"service_tier":"flex"', { forceStoreFalse: true }, { service_tier: "flex", store: false }],
  ['"max_tokens":8', { defaultThinking: { type: "enabled", budget_tokens: 7 } }, {
    thinking: { type: "enabled", budget_tokens: 7 },
    max_tokens: 8,
  }],
  ['"max_tokens":7', { defaultThinking: { type: "enabled", budget_tokens: 7 } }, {
    max_tokens: 7,
  }],
  ['"reasoning_effort":"low"', { defaultThinking: { type: "enabled" } }, {
    reasoning_effort: "low",
  }],
  ['"web_search_options":{}', {}, { web_search_options: {} }],
];

for (const [wire, changes, expected] of WRITTEN) {
  Deno.test(`chat request writes ${wire.slice(0, 70)} as ${Object.keys(expected)}`, () => {
    assert.deepEqual(crossed(wire, changes), expected);
  });
}

Deno.test("chat request asks for no stream options of targets that refuse them", () => {
  const { shape } = plainTarget("openai-chat");
  const changes = {
    shape: { ...shape, unsupportedRequestFeatures: new Set(["stream_options"]) },
  };
  assert.deepEqual(crossed('"stream":true', changes), { stream: true });
});

const TOOLS: readonly JsonObject[] = [
  { type: "function", function: { name: "bare" } },
  { type: "function", function: { name: "unsure", strict: null } },
  {
    type: "function",
    function: {
      name: "full",
      description: "d",
      parameters: { type: "object", properties: { a: { const: 1.5 } }, $defs: {} },
      strict: false,
    },
    cache_control: { type: "ephemeral", ttl: "1h" },
  },
  { type: "custom", custom: { name: "free", description: "d" } },
  { type: "custom", custom: { name: "text", format: { type: "text" } } },
  {
    type: "custom",
    custom: {
      name: "lark",
      format: { type: "grammar", grammar: { syntax: "lark", definition: "start: /a/" } },
    },
  },
];

Deno.test("chat tools come back as they were sent, schema and grammar verbatim", () => {
  assert.deepEqual(crossed(`"tools":${JSON.stringify(TOOLS)}`)["tools"], TOOLS);
});

Deno.test("chat tools read a grammar beside its type too", () => {
  const format = { type: "grammar", syntax: "regex", definition: "a+" };
  const tools = [{ type: "custom", custom: { name: "x", format } }];
  const [tool] = decode(`${USER},"tools":${JSON.stringify(tools)}`).request.tools;
  assert(tool?.form === "custom");
  assert.deepEqual(tool.format, format);
});

const CHOICES: readonly (readonly [Json, ToolChoice])[] = [
  ["auto", { mode: "auto" }],
  ["none", { mode: "none" }],
  ["required", { mode: "required" }],
  [null, { mode: "null" }],
  [{ type: "function", function: { name: "full" } }, {
    mode: "tool",
    name: "full",
    form: "function",
  }],
  [{ type: "custom", custom: { name: "lark" } }, { mode: "tool", name: "lark", form: "custom" }],
  [
    {
      type: "allowed_tools",
      allowed_tools: {
        mode: "required",
        tools: [
          { type: "function", function: { name: "full" } },
          { type: "custom", custom: { name: "lark" } },
        ],
      },
    },
    { mode: "allowed", force: true, tools: [{ name: "full" }, { name: "lark" }] },
  ],
];

for (const [choice, expected] of CHOICES) {
  Deno.test(`chat tool choice ${JSON.stringify(choice).slice(0, 60)} keeps its shape`, () => {
    const rest = `"tools":${JSON.stringify(TOOLS)},"tool_choice":${JSON.stringify(choice)}`;
    assert.deepEqual(decode(`${rest},${USER}`).request.toolChoice, expected);
    assert.deepEqual(crossed(rest)["tool_choice"], choice);
  });
}

Deno.test("chat tool choice that is absent stays absent", () => {
  const body = crossed(`"tools":${JSON.stringify(TOOLS)}`);
  assert(!("tool_choice" in body) && !("parallel_tool_calls" in body));
});

Deno.test("hosted tools leave with their unforced choice unless the target runs them", () => {
  const rest = '"tools":[{"type":"web_search"}],"tool_choice":"auto","parallel_tool_calls":true';
  assert.deepEqual(crossed(rest), {});
  const toolSupport = {
    ...plainTarget("openai-chat").toolSupport,
    "openai-chat": ["hosted_tools"],
  };
  assert.deepEqual(crossed(rest, { toolSupport })["tools"], [{ type: "web_search" }]);
  const { events } = encode(decode(`${rest},${USER}`).request);
  assert.deepEqual(events, [{ field: "tools", action: "stripped", reason: "hosted-tool" }]);
});

for (
  const rest of [
    '"tools":[{"type":"web_search"}],"tool_choice":"required"',
    '"tools":[{"type":"web_search"}],"tool_choice":{"type":"web_search"}',
  ]
) {
  Deno.test(`chat request refuses to weaken ${rest}`, () => {
    assert.throws(
      () => crossed(rest),
      (error) => error instanceof GatewayError && error.type === "provider-hosted-tools-forbidden",
    );
  });
}

const BARRIERS: readonly (readonly [string, readonly string[]])[] = [
  ['"temperature":1', []],
  ['"tool_choice":null', ["null-tool-choice"]],
  ['"tools":[{"type":"web_search"}]', []],
  ['"tools":[{"type":"shell"}]', ["typed-tools"]],
  ['"n":2', ["multiple-choices"]],
  ['"n":1,"logprobs":false,"logit_bias":{},"top_logprobs":0', []],
  ['"logprobs":true', ["logprobs"]],
  ['"logit_bias":{"50256":-100}', ["logit-bias"]],
  ['"prediction":{"type":"content","content":"x"}', ["prediction"]],
  ['"prediction":null,"moderation":null', []],
  ['"moderation":{"model":"m"}', ["moderation"]],
  ['"functions":[{"name":"f"}],"function_call":"auto"', ["legacy-functions"]],
  ['"conversation":{"id":"c"}', ["stored-state"]],
  ['"truncation":"auto"', ["truncation"]],
  ['"truncation":"disabled"', []],
  ['"response_format":{"type":"json_object"}', ["json-object"]],
  ['"response_format":{"type":"grammar"}', ["other"]],
  ['"stop":["x"]', ["stop"]],
  ['"presence_penalty":0.1', ["penalties"]],
  ['"presence_penalty":0,"frequency_penalty":0', []],
  ['"modalities":["text","audio"],"audio":{"voice":"alloy"}', ["audio"]],
  ['"reasoning_effort":"high","tool_choice":"required"', ["forced-choice-with-reasoning"]],
  ['"reasoning_effort":"none","tool_choice":"required"', []],
  ['"reasoning_effort":"high","tool_choice":"auto"', []],
];

for (const [rest, expected] of BARRIERS) {
  Deno.test(`chat request with ${rest} has barriers: ${expected.join() || "none"}`, () => {
    assert.deepEqual(decode(`${rest},${USER}`).barriers, expected);
  });
}

Deno.test("chat request reports what other dialects said and it cannot", () => {
  const { body, events } = encode(chatRequestOf({
    sampling: { topK: 5, temperature: 1 },
    reasoning: { mode: "effort", effort: "max", summary: "auto", extra: {} },
    extra: { anthropic: { metadata: { user_id: "secret" }, brand_new: 1 } },
  }));
  assert.deepEqual(body, { model: "fast", messages: [], reasoning_effort: "high", temperature: 1 });
  assert.deepEqual(
    events.map(({ field, action }) => `${field} ${action}`).sort(),
    [
      "metadata stripped",
      "other stripped",
      "reasoning clamped",
      "reasoning.summary stripped",
      "top_k stripped",
    ],
  );
  assert(!JSON.stringify(events).includes("secret"));
});

Deno.test("schema from a wire without names gets a name and a verdict on strictness", () => {
  const schema = { type: "object", properties: {}, additionalProperties: false } as const;
  const { body } = encode(chatRequestOf({ output: { type: "schema", schema } }));
  assert.deepEqual(body["response_format"], {
    type: "json_schema",
    json_schema: { name: "output", schema, strict: true },
  });
});

/** A field that cannot be read, and the path the error names. */
const INVALID: readonly (readonly [string, string])[] = [
  ['"model":7,"messages":[]', "model"],
  ['"messages":[{"role":"user","content":7}]', "messages[0].content"],
  ['"messages":[{"role":"wizard","content":"x"}]', "messages[0].role"],
  ['"messages":[{"content":"x"}]', "messages[0].role"],
  ['"messages":[{"role":"user","content":[{"type":"text"}]}]', "messages[0].content[0].text"],
  [
    '"messages":[{"role":"user","content":[{"type":"image_url"}]}]',
    "messages[0].content[0].image_url.url",
  ],
  ['"messages":[{"role":"tool","content":"x"}]', "messages[0].tool_call_id"],
  ['"messages":[{"role":"assistant","tool_calls":{}}]', "messages[0].tool_calls"],
  ['"messages":[{"role":"assistant","tool_calls":[7]}]', "messages[0].tool_calls[0].function"],
  [
    '"messages":[{"role":"assistant","tool_calls":[{"function":{"name":"f","arguments":{}}}]}]',
    "messages[0].tool_calls[0].function.arguments",
  ],
  ['"messages":[],"tools":[{"type":"function"}]', "tools[0].function"],
  ['"messages":[],"tools":[{"type":"function","function":{}}]', "tools[0].function.name"],
  ['"messages":[],"stop":[7]', "stop[0]"],
  ['"messages":[],"reasoning_effort":"huge"', "reasoning_effort"],
  ['"messages":[],"verbosity":"loud"', "verbosity"],
  ['"messages":[],"tool_choice":"perhaps"', "tool_choice"],
  [
    '"messages":[],"response_format":{"type":"json_schema","json_schema":{"name":"n"}}',
    "response_format.json_schema.schema",
  ],
];

for (const [rest, path] of INVALID) {
  Deno.test(`chat request refuses ${rest.slice(0, 80)} and names ${path}`, () => {
    const body = rest.startsWith('"model"') ? rest : `"model":"fast",${rest}`;
    assert.throws(
      () => openAiChat.decodeRequest(wireOf(`{${body}}`)),
      (error) =>
        error instanceof GatewayError && error.type === "invalid-request" &&
        error.details["path"] === path,
    );
  });
}

Deno.test("any chat body is read or refused, and what is read is written", () => {
  const keys = [
    "role",
    "content",
    "type",
    "text",
    "tool_calls",
    "function",
    "name",
    "arguments",
    "id",
    "image_url",
    "url",
    "tools",
    "tool_choice",
    "stop",
    "response_format",
    "json_schema",
    "reasoning_details",
    "stream_options",
    "thinking",
  ];
  const words = [
    "user",
    "assistant",
    "tool",
    "function",
    "text",
    "image_url",
    "auto",
    "json_schema",
  ];
  const { value } = fc.letrec((tie) => ({
    value: fc.oneof(
      { maxDepth: 4, depthSize: "small" },
      fc.constantFrom(...words),
      fc.constantFrom(null, 0, 1.5, true, "", "x"),
      fc.array(tie("value"), { maxLength: 3 }),
      fc.dictionary(fc.constantFrom(...keys), tie("value"), { maxKeys: 4 }),
    ),
  }));
  const body = fc.dictionary(fc.constantFrom(...keys), value, { maxKeys: 5 });
  const messages = fc.array(fc.dictionary(fc.constantFrom(...keys), value), { maxLength: 3 });
  fc.assert(
    fc.property(body, messages, (fields, list) => {
      const wire = wireOf(JSON.stringify({ ...fields, model: "fast", messages: list }));
      try {
        encode(openAiChat.decodeRequest(wire).request);
      } catch (error) {
        assert(error instanceof GatewayError, `${error}`);
      }
    }),
    { numRuns: 500 },
  );
});
