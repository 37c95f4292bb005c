import { createTable, migration } from "../migration.ts";
import { table, words } from "../table.ts";

/** Each retention policy that was in force. */
const retentionPolicyVersions = table({
  name: "retention_policy_versions",
  key: ["id"],
  columns: {
    text: words("id config_hash source"),
    bool: words("active dry_run"),
    int: ["default_batch_size"],
    bigint: ["created_at"],
    "bigint?": words("activated_at deactivated_at"),
  },
});

/** The rules of a retention policy. */
const retentionPolicyRules = table({
  name: "retention_policy_rules",
  key: ["policy_version_id", "rule_order"],
  columns: {
    text: words("policy_version_id data_class"),
    bool: words("enabled require_finalized_rollup"),
    int: words("rule_order retention_days batch_size"),
  },
});

/** Each run of retention. */
const retentionJobs = table({
  name: "retention_jobs",
  key: ["id"],
  columns: {
    text: words("id policy_version_id mode status requested_by error_message"),
    bool: ["dry_run"],
    bigint: ["started_at"],
    "bigint?": ["completed_at"],
  },
});

/** What a run of retention did to a table. */
const retentionJobTableResults = table({
  name: "retention_job_table_results",
  key: ["job_id", "table_name"],
  columns: {
    text: words("job_id table_name data_class status message"),
    int: words("retention_days batch_size"),
    bigint: words("cutoff_ts candidate_rows held_rows eligible_rows blocked_rows deleted_rows"),
  },
});

/** Rows that must not be deleted. */
const legalHolds = table({
  name: "legal_holds",
  key: ["hold_id"],
  columns: {
    text: words(
      "hold_id data_class request_id caller_project caller_environment reason_code subject",
      "created_by released_by release_reason notes",
    ),
    bool: ["active"],
    bigint: ["created_at"],
    "bigint?": words("start_ts end_ts released_at"),
  },
});

/** Who made or released a hold. */
const legalHoldAuditEvents = table({
  name: "legal_hold_audit_events",
  key: ["id"],
  columns: {
    text: words("id hold_id event_type actor reason_code message"),
    bool: words("previous_active new_active"),
    bigint: ["ts"],
  },
});

/** How long rows stay, and which must. */
export const retentionTables = migration({
  id: 6,
  name: "retention_tables",
  backwardCompatible: true,
  safe: true,
  steps: [
    createTable(retentionPolicyVersions),
    createTable(retentionPolicyRules),
    createTable(retentionJobs),
    createTable(retentionJobTableResults),
    createTable(legalHolds),
    createTable(legalHoldAuditEvents),
  ],
});
