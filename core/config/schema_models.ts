import type { z } from "zod";
import { perDialect } from "../dialect_name.ts";
import {
  block,
  bytes,
  choice,
  date,
  dialect,
  filled,
  flag,
  headers,
  list,
  map,
  name,
  numeric,
  pattern,
  text,
  usd,
  whole,
} from "./kinds.ts";
import { upstreamShapeSchema } from "./schema_shapes.ts";

/** What tools a target takes from callers of a dialect. */
export const TOOL_FEATURES = [
  "tools",
  "tool_choice",
  "parallel_tool_calls",
  "structured_outputs",
  "hosted_tools",
] as const;

/** A kind of content. */
export const modality = () => choice(["text", "image", "audio", "video", "file"]);

const toolSupport = block(
  perDialect(() => list(choice(TOOL_FEATURES)).default([]).describe("for callers of this dialect")),
);

const reasoning = block({
  supported: flag().default(false).describe("whether the model reasons"),
  mode: choice(["opt_in", "always_on"]).default("opt_in").describe("when it does"),
  control: choice(["effort_enum", "token_budget"]).default("effort_enum")
    .describe("how a request steers it"),
  efforts: list(choice(["minimal", "low", "medium", "high", "xhigh"]))
    .default(["low", "medium", "high"]).describe("efforts it accepts; advertised"),
  default_on: flag().default(false).describe("reasons unless told not to"),
  supports_summaries: flag().default(false).describe("gives summaries of its reasoning"),
  stream_block: text().default("none").describe("how reasoning shows in its streams"),
  min_budget_tokens: whole().default(1024).describe("smaller budgets are raised to it"),
  max_budget_tokens: whole().optional().describe("larger budgets are lowered to it"),
  budget_must_be_less_than_max_tokens: flag().optional()
    .describe("the budget stays below the output cap; unset: true on anthropic"),
  rejects_max_tokens: flag().default(false).describe("the cap goes as `max_completion_tokens`"),
  rejects_temperature: flag().default(false).describe("dropped while reasoning"),
  rejects_top_p: flag().default(false).describe("dropped while reasoning"),
});

const requestShape = block({
  max_request_bytes: bytes().optional().describe("larger bodies skip the target"),
  max_tool_schema_bytes: bytes().optional().describe("larger tool schemas skip it"),
  max_estimated_input_tokens: whole().optional().describe("longer inputs skip it"),
  min_requested_output_tokens: whole().optional().describe("a smaller cap of the caller skips it"),
  max_requested_output_tokens: whole().optional().describe("a larger cap of the caller skips it"),
  supports_large_coding_agent_payloads: flag().default(true)
    .describe("false: skipped from 256 KiB of body, 65,536 tokens or 64 KiB of tool schemas"),
  required_input_modalities: list(modality()).default([])
    .describe("all of them must be in the request"),
  unsupported_request_features: list(choice([
    "previous_response_id",
    "function_call_output",
    "stream_options",
    "tool_choice",
    "forced_tool_choice",
    "parallel_tool_calls",
    "hosted_tools",
  ])).default([]).describe("requests that use one skip the target"),
  validation_status: text().default("unknown").describe("information only"),
  validation_notes: text().optional().describe("information only"),
});

/** What a model can do and costs: keys of a catalog model that a target may restate. */
export const capabilityKeys = {
  tier: text().optional().describe("free label"),
  inbound_dialects: list(dialect()).optional()
    .describe("callers it serves over a bridge besides its own dialect"),
  tool_support: toolSupport.optional().describe("tool features by dialect of the caller"),
  input_modalities: list(modality()).optional().describe("what it reads; unset: [text]"),
  output_modalities: list(modality()).optional().describe("what it writes; unset: [text]"),
  context_tokens: whole(1).optional().describe("estimated input + output cap must fit"),
  default_output_tokens: whole(1).optional()
    .describe("without a caller's cap: reserved, and sent where one is required; unset: 4096"),
  honors_max_tokens: flag().optional()
    .describe("false: skipped when the caller sets a cap; unset: true"),
  output_token_field: choice(["max_tokens", "max_completion_tokens"]).optional()
    .describe("name of the cap on chat upstreams; unset: max_tokens"),
  prompt_cache_markers: choice(["breakpoint", "cache_control", "none"]).optional()
    .describe("spelling of cache markers on a bridge; unset: by dialect"),
  force_store_false: flag().optional().describe("send `store: false`; unset: false"),
  default_thinking: block({
    type: filled().describe("`enabled`, `adaptive` or `disabled`"),
    budget_tokens: whole(1).optional().describe("tokens it may think"),
  }).optional().describe("anthropic: injected when the caller sent none"),
  default_openai_chat_thinking: block({
    type: filled().describe("value of the field"),
  }).optional().describe("chat upstreams that take a `thinking` field: same rule"),
  input_price_per_million_usd: usd().optional().describe("unset = unpriced, 0 = free"),
  output_price_per_million_usd: usd().optional().describe("unset = unpriced, 0 = free"),
  cached_input_price_per_million_usd: usd().optional().describe("unset: the input price"),
  cache_write_price_per_million_usd: usd().optional().describe("unset: the input price"),
  image_input_price_per_million_tokens_usd: usd().optional()
    .describe("for reported image tokens; unset: the input price"),
  image_input_price_per_image_usd: usd().optional()
    .describe("when no image tokens are reported"),
  image_tokens: whole().optional().describe("tokens estimated per image; unset: 1024"),
  pricing_source: text().optional().describe("copied to usage rows"),
  pricing_updated_at: date().optional().describe("copied to usage rows"),
  pricing_notes: text().optional().describe("information only"),
  reasoning: reasoning.optional().describe("how it reasons"),
  request_shape_support: requestShape.optional().describe("requests it cannot take"),
  traffic_shape: upstreamShapeSchema.optional()
    .describe("pace of attempts; those of provider, model and target add up"),
} as const;

const catalogModel = block({
  model: filled().describe("exact upstream id"),
  ...capabilityKeys,
});

/** Keys of a provider. */
export const providerSchema = block({
  base_url: filled("URL").describe(
    "`http(s)`, private hosts allowed, no query, no userinfo; or `builtin:echo`",
  ),
  dialect: dialect().describe("what the upstream speaks"),
  auth_scheme: choice(["bearer", "x-api-key", "none"]).optional()
    .describe("unset: `bearer` on openai-*, `x-api-key` on anthropic"),
  api_key: text().optional().describe("normally `${NAME}`; omitted: no auth header is sent"),
  api_key_env: pattern("string", /^[A-Za-z_][A-Za-z0-9_]*$/, "the name of a variable").optional()
    .describe("variable read when `api_key` is omitted"),
  key_id: text().optional().describe("public label of the key"),
  headers: headers().default({}).describe(
    "static upstream headers; hop-by-hop, `host`, `content-length` refused",
  ),
  models: map(name(), catalogModel).default({}).describe("catalog: models by reference"),
  traffic_shape: upstreamShapeSchema.optional().describe("pace of attempts, for all its models"),
}, ["peer"]);

/** A provider, read. */
export type ProviderConfig = z.infer<typeof providerSchema>;

/** A catalog model, read. */
export type CatalogModelConfig = z.infer<typeof catalogModel>;

/** Keys of `targets[].validation`: contracts filter by it. */
export const validationSchema = block({
  status: choice(["passed", "limited", "pending", "failed"]).optional().describe("outcome"),
  workload: text().optional().describe("what was tried"),
  validated_at: date().optional().describe("when"),
  quality_score: numeric("ratio", 0, 1).optional().describe("measured quality"),
  pass_rate: numeric("ratio", 0, 1).optional().describe("share of cases passed"),
  harness: text().optional().describe("what measured it"),
  notes: text().optional().describe("free text"),
  evidence: text().optional().describe("where to read more"),
});
