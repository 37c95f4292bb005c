import { grouped, share } from "./grouped.ts";
import {
  calls,
  countOf,
  errors,
  group,
  model,
  outputTokens,
  partials,
  provider,
  saved,
  total,
} from "./measures.ts";
import { ofCall } from "./reliability_sections.ts";
import type { Report } from "./report.ts";

/** What the features of the gateway did. */
export const featureSections: readonly Report[] = [
  grouped({
    id: "cache",
    title: "Response cache",
    by: [group],
    measures: [
      calls,
      countOf("hits", "Hits", "u.cache = 'hit'", "r.cache_hit_count"),
      countOf("misses", "Misses", "u.cache = 'miss'", "r.cache_miss_count"),
      countOf("bypassed", "Bypassed", "u.cache = 'bypass'", "r.cache_bypass_count"),
      saved,
    ],
    derived: [share("hit_rate_micro", "Hit rate", ["hits", "(hits + misses)"])],
  }),
  grouped({
    id: "streaming",
    title: "Streaming",
    by: [
      group,
      {
        ...ofCall("stream", "Form"),
        row: "case when u.stream = 1 then 'stream' else 'unary' end",
      },
    ],
    measures: [calls, errors, partials],
    percentiles: [
      { name: "ttft", title: "First content", row: "u.ttft_ms", percents: [50, 95] },
      { name: "downstream", title: "Duration", row: "u.downstream_duration_ms", percents: [95] },
    ],
  }),
  grouped({
    id: "reasoning",
    title: "Reasoning",
    by: [provider, model],
    measures: [
      countOf("asked", "Calls that asked", "u.reasoning_attempt_count > 0"),
      total("attempts", "Attempts", { row: "u.reasoning_attempt_count" }),
      total("served", "Served", { row: "u.reasoning_successful_attempt_count" }),
      total("reported", "Reported", { row: "u.reasoning_reported_attempt_count" }),
      total("reasoning_tokens", "Reasoning tokens"),
      outputTokens,
    ],
    derived: [share("share_micro", "Share of output", ["reasoning_tokens", "output_tokens"])],
    where: "(u.reasoning_attempt_count > 0 or u.reasoning_tokens > 0)",
  }),
  grouped({
    id: "images",
    title: "Images",
    by: [provider, model],
    measures: [
      calls,
      total("images", "Images", { row: "u.input_image_count" }),
      total("image_tokens", "Image tokens"),
      total("image_cost_nusd", "Image cost", { format: "nusd" }),
    ],
    where: "u.input_has_image = 1",
  }),
  grouped({
    id: "pii",
    title: "PII filter",
    by: [group, ofCall("pii_filter_mode", "Mode")],
    measures: [
      calls,
      total("applied", "Applied", { row: "u.pii_filter_applied" }),
      total("replacements", "Replacements", { row: "u.pii_filter_replacements" }),
    ],
    where: "u.pii_filter_mode <> ''",
  }),
  grouped({
    id: "contracts",
    title: "Contracts",
    by: [
      ofCall("contract_workload", "Workload"),
      ofCall("contract_bucket", "Bucket"),
      ofCall("contract_failure_reason", "Failure"),
    ],
    measures: [calls, errors],
    where: "u.contract_present = 1",
  }),
  grouped({
    id: "validation",
    title: "Validation of targets",
    by: [
      provider,
      model,
      ofCall("target_validation_status", "Status"),
      ofCall("target_validation_workload", "Workload"),
      ofCall("target_validation_age_bucket", "Age"),
    ],
    measures: [calls, errors],
    where: "u.target_provider <> ''",
  }),
];
