import { createIndex, createTable, migration } from "../migration.ts";
import { table, words } from "../table.ts";

/** Each run of a rollup, with the checksum of its source. */
const usageRollupRuns = table({
  name: "usage_rollup_runs",
  key: ["id"],
  columns: {
    text: words("id rollup_type status source_checksum router_version safe_error"),
    "text?": ["adjusts_run_id"],
    bigint: words(
      "window_start window_end source_request_count rollup_row_count",
      "decision_bucket_row_count started_at",
    ),
    "bigint?": words("source_min_ts source_max_ts completed_at generated_at finalized_at"),
  },
});

const key = ["run_id", "row_no"] as const;

/** Sums over the calls that agree in all labels. */
const columns = {
  text: words(
    "run_id caller_id caller_user caller_project caller_environment token_id client",
    "inbound_dialect requested_model resolved_group strategy policy_digest",
    "target_provider target_model target_dialect status_class cache contract_bucket",
    "target_validation_status",
  ),
  bool: words("stream input_has_image pii_filter_applied"),
  int: ["row_no"],
  bigint: words(
    "bucket_start bucket_end source_request_count success_count error_count partial_count",
    "fallback_count attempt_count unpriced_count estimated_count cache_hit_count",
    "cache_miss_count cache_bypass_count input_tokens cached_input_tokens",
    "cache_write_tokens output_tokens reasoning_tokens total_tokens image_tokens",
    "input_image_count input_cost_nusd cached_input_cost_nusd cache_write_cost_nusd",
    "output_cost_nusd image_cost_nusd other_attempts_cost_nusd total_cost_nusd saved_nusd",
    "upstream_reported_total_cost_nusd latency_ms_sum latency_ms_max overhead_us_sum",
    "ttft_ms_sum ttft_ms_count ttft_ms_max upstream_ms_sum upstream_ms_count",
    "downstream_ms_sum downstream_ms_count",
  ),
} as const;

/** Usage by hour. */
const usageRollupHourly = table({ name: "usage_rollup_hourly", key, columns });

/** Usage by day. */
const usageRollupDaily = table({ name: "usage_rollup_daily", key, columns });

/** Usage by month. */
const usageRollupMonthlyBilling = table({
  name: "usage_rollup_monthly_billing",
  key,
  columns,
});

/** Histograms of latencies. */
const usageRollupHistograms = table({
  name: "usage_rollup_histograms",
  key: ["run_id", "row_no"],
  columns: {
    text: words("run_id resolved_group target_provider target_model metric"),
    int: words("row_no le_ms"),
    bigint: words("bucket_start count"),
  },
});

/** Usage by bucket of a decision. */
const usageRollupDecisionBuckets = table({
  name: "usage_rollup_decision_buckets",
  key: ["run_id", "row_no"],
  columns: {
    text: words("run_id resolved_group strategy bucket_kind bucket_name secondary_bucket"),
    int: ["row_no"],
    bigint: words("bucket_start source_request_count error_count total_tokens"),
    "bigint?": ["total_cost_nusd"],
  },
});

/** Who ran, finalised or forced a rollup. */
const usageRollupAuditEvents = table({
  name: "usage_rollup_audit_events",
  key: ["id"],
  columns: {
    text: words("id run_id action actor_subject note"),
    bigint: ["ts"],
  },
});

/** Rollups of usage. */
export const rollupTables = migration({
  id: 5,
  name: "rollup_tables",
  backwardCompatible: true,
  safe: true,
  steps: [
    createTable(usageRollupRuns),
    createTable(usageRollupHourly),
    createTable(usageRollupDaily),
    createTable(usageRollupMonthlyBilling),
    createTable(usageRollupHistograms),
    createTable(usageRollupDecisionBuckets),
    createTable(usageRollupAuditEvents),
    createIndex("usage_rollup_runs", ["rollup_type", "window_start"]),
    createIndex("usage_rollup_hourly", ["bucket_start", "resolved_group"]),
    createIndex("usage_rollup_daily", ["bucket_start", "resolved_group"]),
    createIndex("usage_rollup_monthly_billing", ["bucket_start", "resolved_group"]),
    createIndex("usage_rollup_histograms", ["bucket_start", "resolved_group"]),
    createIndex("usage_rollup_decision_buckets", ["bucket_start", "resolved_group"]),
  ],
});
