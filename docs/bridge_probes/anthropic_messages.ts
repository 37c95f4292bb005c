import type { JsonObject } from "@/core/json.ts";
import type { Probe } from "./probe.ts";

const user = (content: JsonObject[string]) => ({ role: "user", content });
const model = (content: JsonObject[string]) => ({ role: "assistant", content });
const text = (value: string) => ({ type: "text", text: value });
const ask = user("Hi");
const marker = { cache_control: { type: "ephemeral" } };
const tool = (more: JsonObject = {}) => ({
  name: "read",
  input_schema: { type: "object", properties: {} },
  ...more,
});
const tools = [tool()];
const call = { type: "tool_use", id: "toolu_1", name: "read", input: { path: "a" } };
const result = (more: JsonObject = {}) => ({
  type: "tool_result",
  tool_use_id: "toolu_1",
  content: "done",
  ...more,
});
const turns = (...results: readonly JsonObject[]) => [ask, model([call]), user(results)];
const PNG = { type: "base64", media_type: "image/png", data: "iVBORw0KGgo=" };
const schema = {
  type: "object",
  properties: { n: { type: "integer" } },
  required: ["n"],
  additionalProperties: false,
};

/** The smallest body. */
export const MESSAGES_BASE: JsonObject = { model: "fast", max_tokens: 4096, messages: [ask] };

/** What a Messages body can say. */
export const MESSAGES_PROBES: readonly Probe[] = [
  { field: "system, a string", body: { system: "S" } },
  { field: "system, blocks", body: { system: [text("S"), text("T")] } },
  {
    field: "cache_control on a system block",
    body: { system: [{ ...text("S"), ...marker }] },
    without: { system: [text("S")] },
  },
  { field: "text blocks", body: { messages: [user([text("a"), text("b")])] } },
  {
    field: "cache_control on a text block",
    body: { messages: [user([{ ...text("a"), ...marker }])] },
    without: { messages: [user([text("a")])] },
  },
  {
    field: "cache_control.ttl",
    body: { messages: [user([{ ...text("a"), cache_control: { type: "ephemeral", ttl: "1h" } }])] },
    without: { messages: [user([text("a")])] },
  },
  { field: "cache_control on the request", body: { ...marker } },
  {
    field: "image, url",
    body: {
      messages: [
        user([{ type: "image", source: { type: "url", url: "https://a.example/b.png" } }]),
      ],
    },
  },
  { field: "image, base64", body: { messages: [user([{ type: "image", source: PNG }])] } },
  {
    field: "image by file",
    body: { messages: [user([{ type: "image", source: { type: "file", file_id: "file_1" } }])] },
  },
  {
    field: "document",
    body: {
      messages: [user([{
        type: "document",
        source: { type: "base64", media_type: "application/pdf", data: "JVBERi0=" },
      }])],
    },
  },
  {
    field: "search_result",
    body: {
      messages: [user([{ type: "search_result", source: "s", title: "t", content: [text("a")] }])],
    },
  },
  {
    field: "assistant text",
    body: { messages: [ask, model("Hello"), ask] },
    without: { messages: [ask, ask] },
  },
  { field: "prefill: assistant text last", body: { messages: [ask, model("Hello")] } },
  {
    field: "tool_use and tool_result",
    body: { tools, messages: turns(result()) },
    without: { tools },
  },
  {
    field: "tool_result in blocks, with an image",
    body: {
      tools,
      messages: turns(result({ content: [text("a"), { type: "image", source: PNG }] })),
    },
    without: { tools },
  },
  {
    field: "tool_result.is_error",
    body: { tools, messages: turns(result({ is_error: true })) },
    without: { tools, messages: turns(result()) },
  },
  {
    field: "thinking, signed",
    body: {
      messages: [
        ask,
        model([{ type: "thinking", thinking: "Hm", signature: "c2ln" }, text("Hello")]),
        ask,
      ],
    },
    without: { messages: [ask, model([text("Hello")]), ask] },
  },
  {
    field: "redacted_thinking",
    body: {
      messages: [ask, model([{ type: "redacted_thinking", data: "eA==" }, text("Hello")]), ask],
    },
    without: { messages: [ask, model([text("Hello")]), ask] },
  },
  {
    field: "redacted_thinking before a call, relayed from openai-chat",
    body: {
      tools,
      messages: [
        ask,
        model([{ type: "redacted_thinking", data: 'openai-chat:call:{"google":{}}' }, call]),
        user([result()]),
      ],
    },
    without: { tools, messages: turns(result()) },
  },
  {
    field: "server_tool_use",
    body: {
      messages: [
        ask,
        model([{ type: "server_tool_use", id: "srvtoolu_1", name: "web_search", input: {} }]),
        ask,
      ],
    },
    without: { messages: [ask, ask] },
  },
  { field: "max_tokens", body: { max_tokens: 100 } },
  { field: "stop_sequences", body: { stop_sequences: ["END"] } },
  { field: "temperature", body: { temperature: 0.5 } },
  { field: "top_p", body: { top_p: 0.5 } },
  { field: "top_k", body: { top_k: 5 } },
  { field: "tools[]", body: { tools } },
  {
    field: "tools[].description",
    body: { tools: [tool({ description: "D" })] },
    without: { tools },
  },
  { field: "tools[].strict", body: { tools: [tool({ strict: true })] }, without: { tools } },
  { field: "tools[].cache_control", body: { tools: [tool(marker)] }, without: { tools } },
  {
    field: "tools[].input_examples",
    body: { tools: [tool({ input_examples: [{ path: "a" }] })] },
    without: { tools },
  },
  { field: "tools[] bash_20250124", body: { tools: [{ type: "bash_20250124", name: "bash" }] } },
  {
    field: "tools[] web_search_20250305",
    body: { tools: [{ type: "web_search_20250305", name: "web_search" }] },
  },
  {
    field: "tool_choice: auto",
    body: { tools, tool_choice: { type: "auto" } },
    without: { tools },
  },
  {
    field: "tool_choice: none",
    body: { tools, tool_choice: { type: "none" } },
    without: { tools },
  },
  { field: "tool_choice: any", body: { tools, tool_choice: { type: "any" } }, without: { tools } },
  {
    field: "tool_choice: tool",
    body: { tools, tool_choice: { type: "tool", name: "read" } },
    without: { tools },
  },
  {
    field: "tool_choice.disable_parallel_tool_use",
    body: { tools, tool_choice: { type: "auto", disable_parallel_tool_use: true } },
    without: { tools, tool_choice: { type: "auto" } },
  },
  {
    field: "output_config.format",
    body: { output_config: { format: { type: "json_schema", schema } } },
  },
  {
    field: "thinking: enabled",
    body: { thinking: { type: "enabled", budget_tokens: 2048 } },
  },
  { field: "thinking: adaptive", body: { thinking: { type: "adaptive" } } },
  {
    field: "thinking: adaptive with output_config.effort",
    body: { thinking: { type: "adaptive" }, output_config: { effort: "high" } },
  },
  { field: "thinking: disabled", body: { thinking: { type: "disabled" } } },
  {
    field: "thinking.display",
    body: { thinking: { type: "enabled", budget_tokens: 2048, display: "omitted" } },
    without: { thinking: { type: "enabled", budget_tokens: 2048 } },
  },
  { field: "metadata.user_id", body: { metadata: { user_id: "u-1" } } },
  { field: "service_tier", body: { service_tier: "auto" } },
  { field: "speed", body: { speed: "fast" } },
  { field: "container", body: { container: "container_1" } },
  { field: "inference_geo", body: { inference_geo: "eu" } },
  {
    field: "context_management, clear_thinking",
    body: { context_management: { edits: [{ type: "clear_thinking_20251015", keep: "all" }] } },
  },
  {
    field: "context_management, others",
    body: { context_management: { edits: [{ type: "clear_tool_uses_20250919" }] } },
  },
  {
    field: "citations",
    body: {
      messages: [user([{
        type: "document",
        source: { type: "text", media_type: "text/plain", data: "a" },
        citations: { enabled: true },
      }])],
    },
  },
  { field: "stream", body: { stream: true } },
  { field: "an unknown field", body: { from_the_future: 1 } },
  { field: "an unknown block", body: { messages: [user([{ type: "from_the_future" }])] } },
];
