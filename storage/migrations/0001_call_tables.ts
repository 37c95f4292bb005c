import { createIndex, createTable, migration } from "../migration.ts";
import { table, words } from "../table.ts";

/** One row per authenticated call: what it asked for, who served it, what it used and cost. */
const requestUsage = table({
  name: "request_usage",
  key: ["request_id"],
  columns: {
    text: words(
      "request_id caller_id caller_user caller_project caller_environment token_id client endpoint",
      "inbound_dialect requested_model resolved_group strategy target_provider target_ref",
      "target_model target_dialect target_region cache error error_class error_origin usage_source",
      "pii_filter_mode contract_bucket contract_failure_reason contract_workload",
      "target_validation_status target_validation_workload target_validation_age_bucket",
      "pricing_source pricing_updated_at quota_state key_state traffic_shape_decision",
      "traffic_shape_scope traffic_shape_bucket license_status license_reason license_id",
      "license_customer_id license_sku license_key_id router_version router_build_date",
      "routing_config_fingerprint model_group_config_fingerprint routing_policy_fingerprint",
      "pricing_catalog_fingerprint",
    ),
    "text?": words(
      "gateway_id replica client_request_id parent_request_id trace_id conversation_key caller_ip",
      "policy_digest policy_arm class_label pin_state served_model bridge finish_reason",
    ),
    bool: words(
      "stream fallback_used partial truncated input_has_image pii_filter_applied",
      "contract_present cache_enabled traffic_shape_applied license_grace_active",
    ),
    int: words(
      "status attempts latency_ms overhead_us queue_wait_ms policy_us input_tokens",
      "cached_input_tokens cache_write_tokens output_tokens total_tokens input_image_count",
      "tool_call_count charged_requests charged_tokens reasoning_attempt_count",
      "reasoning_successful_attempt_count reasoning_reported_attempt_count",
      "pii_filter_replacements pii_filter_rule_count traffic_shape_retry_after_ms",
      "traffic_shape_estimated_input_tokens traffic_shape_reserved_output_tokens",
      "traffic_shape_total_reserved_tokens",
    ),
    "int?": words(
      "target_index ttfb_ms ttft_ms upstream_ttfb_ms upstream_duration_ms downstream_duration_ms",
      "reasoning_tokens image_tokens",
    ),
    bigint: words(
      "ts settled_at ingested_at charged_nusd cache_items cache_bytes cache_max_bytes",
    ),
    "bigint?": words(
      "input_price_per_million_nusd cached_input_price_per_million_nusd",
      "cache_write_price_per_million_nusd output_price_per_million_nusd",
      "image_input_price_per_million_tokens_nusd image_input_price_per_image_nusd input_cost_nusd",
      "cached_input_cost_nusd cache_write_cost_nusd output_cost_nusd image_cost_nusd",
      "other_attempts_cost_nusd total_cost_nusd saved_nusd upstream_reported_input_cost_nusd",
      "upstream_reported_output_cost_nusd upstream_reported_total_cost_nusd license_expires_at",
    ),
  },
});

/** One row per attempt at a target. */
const requestAttempts = table({
  name: "request_attempts",
  key: ["request_id", "attempt_index"],
  columns: {
    text: words(
      "request_id provider model_ref model dialect endpoint_host provider_key_id outcome",
      "error_class error_message fallback_reason",
    ),
    "text?": ["upstream_request_id"],
    bool: words("retryable timed_out client_canceled selected"),
    int: words("attempt_index duration_ms attempt_timeout_ms"),
    "int?": words(
      "ttfb_ms status_code retry_after_ms input_tokens output_tokens reasoning_tokens",
    ),
    bigint: words("ts request_bytes response_bytes"),
    "bigint?": ["cost_nusd"],
  },
});

/** At most one row per call that failed. */
const requestErrors = table({
  name: "request_errors",
  key: ["request_id"],
  columns: {
    text: words(
      "request_id error_type error_class error_message error_origin provider model dialect",
    ),
    bool: ["retryable"],
    int: words("status attempts"),
    bigint: ["ts"],
  },
});

/** Refused requests that belong to no caller, and the like. */
const securityAccessEvents = table({
  name: "security_access_events",
  key: ["id"],
  columns: {
    text: words(
      "id request_id event_type surface http_method path_template outcome reason_code auth_subject",
      "auth_source caller_id caller_user caller_project caller_environment token_id admin_subject",
      "admin_domain client user_agent_family ip_source model_group",
    ),
    "text?": ["ip_address"],
    bool: words(
      "trusted_proxy_applied request_is_private request_is_loopback request_is_reserved",
    ),
    int: words("status_code ip_version"),
    "int?": words("input_tokens output_tokens total_tokens"),
    bigint: ["ts"],
  },
});

/** How far each journal is shipped. */
const usageJournalOffsets = table({
  name: "usage_journal_offsets",
  key: ["journal_id"],
  columns: {
    text: words("journal_id kind gateway_id replica"),
    int: ["writer"],
    bigint: words("segment byte_offset lines rejected last_ts updated_at"),
  },
});

/** The ledger of migrations. */
const schemaMigrations = table({
  name: "schema_migrations",
  key: ["id"],
  columns: {
    text: words("name checksum state router_version backup_ref error"),
    bool: ["backward_compatible"],
    int: ["id"],
    bigint: ["started_at"],
    "bigint?": ["finished_at"],
  },
});

/** The tables a call, a refusal and the shipper need. */
export const callTables = migration({
  id: 1,
  name: "call_tables",
  backwardCompatible: true,
  safe: true,
  steps: [
    createTable(schemaMigrations),
    createTable(usageJournalOffsets),
    createTable(requestUsage),
    createTable(requestAttempts),
    createTable(requestErrors),
    createTable(securityAccessEvents),
    // An index costs every call; more come with the reports that read them.
    createIndex("request_usage", ["ts"]),
    createIndex("request_usage", ["caller_id", "ts"]),
    createIndex("request_attempts", ["ts"]),
    createIndex("request_errors", ["ts"]),
    createIndex("security_access_events", ["ts"]),
  ],
});
