import type { JsonObject } from "@/core/json.ts";
import type { Probe } from "./probe.ts";

const item = (role: string, content: JsonObject[string]) => ({ type: "message", role, content });
const said = (text: string) => ({ type: "input_text", text });
const ask = item("user", [said("Hi")]);
const answer = {
  ...item("assistant", [{ type: "output_text", text: "Hello", annotations: [] }]),
  id: "msg_1",
  status: "completed",
};
const tool = (more: JsonObject = {}) => ({
  type: "function",
  name: "read",
  parameters: { type: "object", properties: {} },
  ...more,
});
const tools = [tool()];
const patch = { type: "custom", name: "apply_patch", description: "Edits files" };
const call = { type: "function_call", call_id: "call_1", name: "read", arguments: '{"path":"a"}' };
const result = { type: "function_call_output", call_id: "call_1", output: "done" };
const PNG = "data:image/png;base64,iVBORw0KGgo=";
const schema = {
  type: "object",
  properties: { n: { type: "integer" } },
  required: ["n"],
  additionalProperties: false,
};

/** The smallest body. */
export const RESPONSES_BASE: JsonObject = { model: "fast", input: [ask] };

/** What a Responses body can say. */
export const RESPONSES_PROBES: readonly Probe[] = [
  { field: "input, a string", body: { input: "Hello there" } },
  { field: "instructions", body: { instructions: "S" } },
  { field: "input[] system, leading", body: { input: [item("system", [said("S")]), ask] } },
  { field: "input[] developer, leading", body: { input: [item("developer", [said("S")]), ask] } },
  {
    field: "input[] developer, later",
    body: { input: [ask, item("developer", [said("S")]), ask] },
    without: { input: [ask, ask] },
  },
  {
    field: "input[] assistant message",
    body: { input: [ask, answer, ask] },
    without: { input: [ask, ask] },
  },
  {
    field: "input_image, http",
    body: {
      input: [item("user", [{ type: "input_image", image_url: "https://a.example/b.png" }])],
    },
  },
  {
    field: "input_image, base64 data",
    body: { input: [item("user", [{ type: "input_image", image_url: PNG }])] },
  },
  {
    field: "input_image.detail",
    body: { input: [item("user", [{ type: "input_image", image_url: PNG, detail: "high" }])] },
    without: { input: [item("user", [{ type: "input_image", image_url: PNG }])] },
  },
  {
    field: "input_image by file_id",
    body: { input: [item("user", [{ type: "input_image", file_id: "file_1" }])] },
  },
  {
    field: "input_file",
    body: { input: [item("user", [{ type: "input_file", file_id: "file_1" }])] },
  },
  {
    field: "function_call and its output",
    body: { tools, input: [ask, call, result] },
    without: { tools },
  },
  {
    field: "function_call_output, a list with an image",
    body: {
      tools,
      input: [ask, call, {
        ...result,
        output: [said("a"), { type: "input_image", image_url: PNG }],
      }],
    },
    without: { tools },
  },
  {
    field: "custom_tool_call and its output",
    body: {
      tools: [patch],
      input: [
        ask,
        { type: "custom_tool_call", call_id: "call_1", name: "apply_patch", input: "*** Begin" },
        { type: "custom_tool_call_output", call_id: "call_1", output: "done" },
      ],
    },
    without: { tools: [patch] },
  },
  {
    field: "reasoning item, encrypted_content of openai",
    body: {
      input: [
        ask,
        {
          type: "reasoning",
          id: "rs_1",
          summary: [{ type: "summary_text", text: "Hm" }],
          encrypted_content: "gAAAA",
        },
        answer,
        ask,
      ],
    },
    without: { input: [ask, answer, ask] },
  },
  {
    field: "reasoning item, encrypted_content relayed from anthropic",
    body: {
      input: [
        ask,
        {
          type: "reasoning",
          id: "rs_1",
          summary: [{ type: "summary_text", text: "Hm" }],
          encrypted_content: "anthropic:signature:c2ln",
        },
        answer,
        ask,
      ],
    },
    without: { input: [ask, answer, ask] },
  },
  {
    field: "reasoning item before a call, relayed from openai-chat",
    body: {
      tools,
      input: [
        ask,
        { type: "reasoning", summary: [], encrypted_content: 'openai-chat:call:{"google":{}}' },
        { type: "function_call", call_id: "call_1", name: "read", arguments: "{}" },
        { type: "function_call_output", call_id: "call_1", output: "done" },
      ],
    },
    without: {
      tools,
      input: [
        ask,
        { type: "function_call", call_id: "call_1", name: "read", arguments: "{}" },
        { type: "function_call_output", call_id: "call_1", output: "done" },
      ],
    },
  },
  { field: "item_reference", body: { input: [{ type: "item_reference", id: "msg_1" }, ask] } },
  {
    field: "compaction item",
    body: { input: [{ type: "compaction", encrypted_content: "x" }, ask] },
  },
  { field: "previous_response_id", body: { previous_response_id: "resp_1" } },
  { field: "conversation", body: { conversation: "conv_1" } },
  { field: "prompt", body: { prompt: { id: "pmpt_1" } } },
  { field: "store", body: { store: true } },
  { field: "include", body: { include: ["reasoning.encrypted_content"] } },
  { field: "max_output_tokens", body: { max_output_tokens: 100 } },
  { field: "max_tool_calls", body: { max_tool_calls: 3 } },
  { field: "metadata", body: { metadata: { a: "b" } } },
  { field: "client_metadata", body: { client_metadata: { a: "b" } } },
  { field: "temperature", body: { temperature: 0.5 } },
  { field: "top_p", body: { top_p: 0.5 } },
  { field: "top_logprobs", body: { top_logprobs: 2 } },
  { field: "tools[] function", body: { tools } },
  { field: "tools[].strict", body: { tools: [tool({ strict: true })] }, without: { tools } },
  { field: "tools[] custom", body: { tools: [patch] } },
  {
    field: "tools[] custom with a grammar",
    body: {
      tools: [{
        ...patch,
        format: { type: "grammar", syntax: "lark", definition: "start: /a+/" },
      }],
    },
  },
  {
    field: "tools[] namespace",
    body: {
      tools: [{ type: "namespace", name: "files", description: "Files", tools: [tool()] }],
    },
  },
  {
    field: "tools[] web_search",
    body: { tools: [...tools, { type: "web_search" }] },
    without: { tools },
  },
  { field: "tools[] local_shell", body: { tools: [{ type: "local_shell" }] } },
  { field: "tools[] apply_patch", body: { tools: [{ type: "apply_patch" }] } },
  { field: "tool_choice: none", body: { tools, tool_choice: "none" }, without: { tools } },
  { field: "tool_choice: auto", body: { tools, tool_choice: "auto" }, without: { tools } },
  { field: "tool_choice: null", body: { tools, tool_choice: null }, without: { tools } },
  { field: "tool_choice: required", body: { tools, tool_choice: "required" }, without: { tools } },
  {
    field: "tool_choice, named",
    body: { tools, tool_choice: { type: "function", name: "read" } },
    without: { tools },
  },
  {
    field: "tool_choice, allowed_tools",
    body: {
      tools,
      tool_choice: {
        type: "allowed_tools",
        mode: "required",
        tools: [{ type: "function", name: "read" }],
      },
    },
    without: { tools },
  },
  { field: "parallel_tool_calls", body: { tools, parallel_tool_calls: false }, without: { tools } },
  { field: "text.format: json_object", body: { text: { format: { type: "json_object" } } } },
  {
    field: "text.format: json_schema",
    body: { text: { format: { type: "json_schema", name: "n", strict: true, schema } } },
  },
  { field: "text.verbosity", body: { text: { verbosity: "low" } } },
  { field: "reasoning.effort", body: { reasoning: { effort: "high" } } },
  { field: "reasoning.effort: none", body: { reasoning: { effort: "none" } } },
  {
    field: "reasoning.summary",
    body: { reasoning: { effort: "high", summary: "auto" } },
    without: { reasoning: { effort: "high" } },
  },
  { field: "truncation: auto", body: { truncation: "auto" } },
  { field: "truncation: disabled", body: { truncation: "disabled" } },
  { field: "context_management", body: { context_management: [{ type: "compaction" }] } },
  { field: "user", body: { user: "u-1" } },
  { field: "safety_identifier", body: { safety_identifier: "s-1" } },
  { field: "prompt_cache_key", body: { prompt_cache_key: "k-1" } },
  { field: "prompt_cache_retention", body: { prompt_cache_retention: "24h" } },
  {
    field: "prompt_cache_breakpoint on a part",
    body: {
      input: [item("user", [{ ...said("Hi"), prompt_cache_breakpoint: { mode: "explicit" } }])],
    },
  },
  { field: "service_tier", body: { service_tier: "flex" } },
  { field: "stream", body: { stream: true } },
  { field: "an unknown field", body: { from_the_future: 1 } },
  { field: "an unknown item", body: { input: [ask, { type: "from_the_future" }] } },
];
