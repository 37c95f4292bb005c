import { DATA_CLASSES } from "../snapshot.ts";
import {
  block,
  choice,
  date,
  filled,
  flag,
  list,
  numeric,
  pattern,
  text,
  usd,
  whole,
} from "./kinds.ts";

/** Keys of `server.diagnostics`. */
export const diagnostics = block({
  enabled: flag().default(true).describe(
    "rows that tell why a call went as it did: estimates, paces, traces, what providers say of errors",
  ),
  retention_days: whole(1).default(30).describe("days of `usage_diagnostics`"),
  store_sanitized_upstream_errors: flag().default(true)
    .describe("what providers say of errors, in known words: codes and kinds, never their prose"),
  max_error_bytes: whole(1).default(2_048).describe("longest value of those"),
});

/** Keys of `server.decision_telemetry`. */
export const decisionTelemetry = block({
  enabled: flag().default(true).describe("whether decisions are recorded"),
  sample_percent: numeric("pct", 0, 100).default(10).describe(
    "share of calls recorded in full; those that fail, fall back or have a policy fault always are",
  ),
  record_contexts: flag().default(true).describe("what a decision can be made again from"),
  record_candidates: flag().default(true).describe("the targets it had, and their scores"),
  record_cache_reasons: flag().default(true).describe("why the response cache was not used"),
  max_candidates: whole(1, 1024).default(64).describe("targets per call"),
  max_filter_reasons: whole(1, 4096).default(256).describe("reasons against targets per call"),
});

/** Keys of `server.rollups`. */
export const rollups = block({
  auto: flag().default(true)
    .describe("drafts hourly at +10 min, daily at 00:30, monthly on day 1 at 01:00, UTC"),
  finalize_after_days: whole().default(0).describe("drafts this old become final; 0 = off"),
});

const retentionClass = block({
  data_class: choice(DATA_CLASSES).describe("which rows"),
  enabled: flag().default(true).describe("false keeps them"),
  retention_days: whole(1).optional()
    .describe("days they stay; unset: those of the class, 365 for `usage_detail`"),
  batch_size: whole(1, 100_000).optional().describe("unset: `default_batch_size`"),
  require_finalized_rollup: flag().optional()
    .describe("only days with a final daily rollup; unset: true for `usage_detail`"),
});

/** Keys of `server.retention`. */
export const retention = block({
  enabled: flag().default(false).describe("whether anything is deleted"),
  dry_run: flag().default(true).describe("counts and deletes nothing; wins over `--batches`"),
  default_batch_size: whole(1, 100_000).default(500).describe("rows per table and transaction"),
  run_at_utc: pattern("HH:MM", /^([01]\d|2[0-3]):[0-5]\d$/, 'a time of day such as "03:20"')
    .optional().describe("one run a day; unset: `retention run` only"),
  classes: list(retentionClass).default([]).describe("rules that differ from the usual ones"),
});

const baseline = block({
  id: filled().describe("what `--baseline` names"),
  name: filled().describe("shown in reports"),
  input_price_per_million_usd: usd().describe("price to compare with"),
  output_price_per_million_usd: usd().describe("price to compare with"),
  cached_input_price_per_million_usd: usd().optional().describe("unset: the input price"),
  cache_write_price_per_million_usd: usd().optional().describe("unset: the input price"),
  pricing_source: text().optional().describe("where the prices come from"),
  pricing_updated_at: date().optional().describe("as of when"),
  notes: text().optional().describe("information only"),
});

const security = block({
  retention_days: whole(1).default(90).describe("days of `security_access_events`"),
}, ["enabled"]);

/** Keys of `server.admin_reports`. */
export const adminReports = block({
  baselines: list(baseline).default([]).describe("prices that savings are measured against"),
  security: security.prefault({}).describe("events of access"),
}, ["enabled", "path_prefix", "default_since", "max_range", "max_rows", "export_markdown"]);
