import type { JsonObject } from "@/core/json.ts";
import type { Probe } from "./probe.ts";

const user = (content: JsonObject[string]) => ({ role: "user", content });
const text = (value: string) => ({ type: "text", text: value });
const ask = user("Hi");
const tool = (more: JsonObject = {}) => ({
  type: "function",
  function: { name: "read", parameters: { type: "object", properties: {} }, ...more },
});
const tools = [tool()];
const call = {
  id: "call_1",
  type: "function",
  function: { name: "read", arguments: '{"path":"a"}' },
};
const called = { role: "assistant", content: null, tool_calls: [call] };
const result = { role: "tool", tool_call_id: "call_1", content: "done" };
const PNG = "data:image/png;base64,iVBORw0KGgo=";
const schema = {
  type: "object",
  properties: { n: { type: "integer" } },
  required: ["n"],
  additionalProperties: false,
};

/** The smallest body. */
export const CHAT_BASE: JsonObject = { model: "fast", messages: [ask] };

/** What a Chat Completions body can say. */
export const CHAT_PROBES: readonly Probe[] = [
  {
    field: "messages[] system, leading",
    body: { messages: [{ role: "system", content: "S" }, ask] },
  },
  {
    field: "messages[] developer, leading",
    body: { messages: [{ role: "developer", content: "S" }, ask] },
  },
  {
    field: "messages[] system, later",
    body: { messages: [ask, { role: "system", content: "S" }, ask] },
    without: { messages: [ask, ask] },
  },
  { field: "messages[] user text parts", body: { messages: [user([text("a"), text("b")])] } },
  {
    field: "image_url, http",
    body: {
      messages: [user([{ type: "image_url", image_url: { url: "https://a.example/b.png" } }])],
    },
  },
  {
    field: "image_url, base64 data",
    body: { messages: [user([{ type: "image_url", image_url: { url: PNG } }])] },
  },
  {
    field: "image_url.detail",
    body: { messages: [user([{ type: "image_url", image_url: { url: PNG, detail: "low" } }])] },
    without: { messages: [user([{ type: "image_url", image_url: { url: PNG } }])] },
  },
  {
    field: "image_url of another type",
    body: {
      messages: [user([{ type: "image_url", image_url: { url: "data:image/bmp;base64,Qk0=" } }])],
    },
  },
  {
    field: "input_audio",
    body: {
      messages: [user([{ type: "input_audio", input_audio: { data: "AA==", format: "wav" } }])],
    },
  },
  {
    field: "file",
    body: { messages: [user([{ type: "file", file: { file_id: "file_1" } }])] },
  },
  { field: "messages[].name", body: { messages: [{ ...ask, name: "ana" }] } },
  {
    field: "assistant text",
    body: { messages: [ask, { role: "assistant", content: "Hello" }, ask] },
    without: { messages: [ask, ask] },
  },
  {
    field: "assistant refusal",
    body: { messages: [ask, { role: "assistant", content: null, refusal: "No" }, ask] },
    without: { messages: [ask, ask] },
  },
  {
    field: "assistant reasoning_content",
    body: {
      tools,
      messages: [ask, { ...called, reasoning_content: "Hm" }, result],
    },
    without: { tools, messages: [ask, called, result] },
  },
  {
    field: "assistant reasoning_details, signed by anthropic",
    body: {
      tools,
      messages: [ask, {
        ...called,
        reasoning_content: "Hm",
        reasoning_details: [
          { type: "reasoning.text", text: "Hm", signature: "c2ln", format: "anthropic" },
        ],
      }, result],
    },
    without: { tools, messages: [ask, called, result] },
  },
  {
    field: "tool_calls and tool results",
    body: { tools, messages: [ask, called, result] },
    without: { tools },
  },
  {
    field: "tool_calls[].extra_content",
    body: {
      tools,
      messages: [
        ask,
        {
          ...called,
          tool_calls: [{ ...call, extra_content: { google: { thought_signature: "s" } } }],
        },
        result,
      ],
    },
    without: { tools, messages: [ask, called, result] },
  },
  {
    field: "tool result in text parts",
    body: { tools, messages: [ask, called, { ...result, content: [text("a"), text("b")] }] },
    without: { tools },
  },
  {
    field: "max_tokens",
    body: { max_tokens: 100 },
  },
  { field: "max_completion_tokens", body: { max_completion_tokens: 100 } },
  { field: "stop", body: { stop: ["END"] } },
  { field: "temperature", body: { temperature: 0.5 } },
  { field: "temperature above 1", body: { temperature: 1.5 } },
  { field: "top_p", body: { top_p: 0.5 } },
  { field: "seed", body: { seed: 7 } },
  { field: "frequency_penalty", body: { frequency_penalty: 0.5 } },
  { field: "frequency_penalty: 0", body: { frequency_penalty: 0 } },
  { field: "presence_penalty", body: { presence_penalty: 0.5 } },
  { field: "n: 2", body: { n: 2 } },
  { field: "logprobs", body: { logprobs: true } },
  { field: "top_logprobs", body: { logprobs: true, top_logprobs: 2 } },
  { field: "logit_bias", body: { logit_bias: { "50256": -100 } } },
  { field: "tools[] function", body: { tools } },
  {
    field: "tools[].function.description",
    body: { tools: [tool({ description: "D" })] },
    without: { tools },
  },
  {
    field: "tools[].function.strict",
    body: { tools: [tool({ strict: true })] },
    without: { tools },
  },
  {
    field: "tools[] custom",
    body: { tools: [{ type: "custom", custom: { name: "patch" } }] },
  },
  {
    field: "tools[] custom with a grammar",
    body: {
      tools: [{
        type: "custom",
        custom: {
          name: "patch",
          format: { type: "grammar", grammar: { syntax: "lark", definition: "start: /a+/" } },
        },
      }],
    },
  },
  { field: "web_search_options", body: { web_search_options: {} } },
  { field: "tool_choice: none", body: { tools, tool_choice: "none" }, without: { tools } },
  { field: "tool_choice: auto", body: { tools, tool_choice: "auto" }, without: { tools } },
  { field: "tool_choice: null", body: { tools, tool_choice: null }, without: { tools } },
  { field: "tool_choice: required", body: { tools, tool_choice: "required" }, without: { tools } },
  {
    field: "tool_choice, named",
    body: { tools, tool_choice: { type: "function", function: { name: "read" } } },
    without: { tools },
  },
  {
    field: "tool_choice, allowed_tools",
    body: {
      tools,
      tool_choice: {
        type: "allowed_tools",
        allowed_tools: { mode: "auto", tools: [{ type: "function", function: { name: "read" } }] },
      },
    },
    without: { tools },
  },
  { field: "parallel_tool_calls", body: { tools, parallel_tool_calls: false }, without: { tools } },
  {
    field: "response_format: text",
    body: { response_format: { type: "text" } },
    served: "what every reply is",
  },
  { field: "response_format: json_object", body: { response_format: { type: "json_object" } } },
  {
    field: "response_format: json_schema",
    body: {
      response_format: { type: "json_schema", json_schema: { name: "n", strict: true, schema } },
    },
  },
  { field: "reasoning_effort", body: { reasoning_effort: "high" } },
  { field: "reasoning_effort: none", body: { reasoning_effort: "none" } },
  { field: "verbosity", body: { verbosity: "low" } },
  { field: "user", body: { user: "u-1" } },
  { field: "safety_identifier", body: { safety_identifier: "s-1" } },
  { field: "prompt_cache_key", body: { prompt_cache_key: "k-1" } },
  { field: "prompt_cache_retention", body: { prompt_cache_retention: "24h" } },
  { field: "service_tier", body: { service_tier: "flex" } },
  { field: "store", body: { store: true } },
  { field: "metadata", body: { metadata: { a: "b" } } },
  { field: "stream", body: { stream: true } },
  {
    field: "stream_options.include_usage",
    body: { stream: true, stream_options: { include_usage: true } },
    without: { stream: true },
    served: "usage is always asked for, and shown to callers that ask",
  },
  {
    field: "stream_options.include_obfuscation",
    body: { stream: true, stream_options: { include_obfuscation: false } },
    without: { stream: true },
  },
  { field: "prediction", body: { prediction: { type: "content", content: "x" } } },
  {
    field: "modalities with audio",
    body: { modalities: ["text", "audio"], audio: { voice: "a", format: "wav" } },
  },
  {
    field: "functions, function_call",
    body: { functions: [{ name: "read", parameters: { type: "object" } }], function_call: "auto" },
  },
  {
    field: "cache_control on a part",
    body: {
      messages: [user([{ ...text("a"), cache_control: { type: "ephemeral" } }])],
    },
    without: { messages: [user([text("a")])] },
  },
  { field: "an unknown field", body: { from_the_future: 1 } },
  { field: "an unknown part", body: { messages: [user([{ type: "from_the_future" }])] } },
];
