import { createIndex, createView, migration } from "../migration.ts";
import { type View, words } from "../table.ts";

/** Calls for analysts: who, what, how much, in USD. The stored amounts are nano-USD. */
const usageUsd: View = {
  name: "request_usage_usd",
  of: "request_usage",
  columns: words(
    "request_id ts settled_at caller_id caller_user caller_project caller_environment token_id",
    "client endpoint requested_model resolved_group strategy target_provider target_model",
    "served_model status error error_class stream partial cache usage_source input_tokens",
    "cached_input_tokens cache_write_tokens output_tokens reasoning_tokens image_tokens",
    "total_tokens latency_ms ttft_ms",
  ),
  usd: words(
    "input_cost_nusd cached_input_cost_nusd cache_write_cost_nusd output_cost_nusd",
    "image_cost_nusd other_attempts_cost_nusd total_cost_nusd saved_nusd charged_nusd",
  ),
};

/**
 * The view, and the indexes of queries that do not begin with a span of `ts`: what a project used,
 * a call by its caller's own id, the calls of a conversation, and rows that came after a rollup.
 */
export const usageUsdView = migration({
  id: 8,
  name: "usage_usd",
  backwardCompatible: true,
  safe: true,
  steps: [
    createView(usageUsd),
    createIndex("request_usage", ["caller_project", "caller_environment", "ts"]),
    createIndex("request_usage", ["client_request_id"]),
    createIndex("request_usage", ["conversation_key"]),
    createIndex("request_usage", ["ingested_at"]),
  ],
});
