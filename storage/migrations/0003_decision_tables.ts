import { createIndex, createTable, migration } from "../migration.ts";
import { table, words } from "../table.ts";

/** One row per call that reached `route`: what was decided and by whom. */
const requestRoutingDecisions = table({
  name: "request_routing_decisions",
  key: ["request_id"],
  columns: {
    text: words("request_id group_name strategy arm outcome config_fingerprint pin_state"),
    "text?": words(
      "policy_kind policy_digest provider model dialect class_label budget_rule plan_sha256",
    ),
    int: words(
      "eligible_count rejected_count fallback_count explored cold_start over_threshold",
      "panic deferred_count decide_us recorded",
    ),
    "int?": words("selected_candidate_index group_target_index pressure_micro"),
    bigint: words("ts seed"),
  },
});

/** The targets a decision had before it. */
const requestTargetCandidates = table({
  name: "request_target_candidates",
  key: ["request_id", "group_target_index"],
  columns: {
    text: words("request_id target_id provider model dialect breaker"),
    "text?": words("model_ref validation_status"),
    int: words(
      "candidate_index group_target_index weight tool_only limit_unknown inflight",
      "observations eligible selected",
    ),
    "int?": words(
      "context_tokens context_headroom_tokens validation_age_days p95_latency_ms",
      "error_rate_micro final_rank",
    ),
    "bigint?": ["expected_cost_nusd"],
  },
});

/** Why a target was not eligible. */
const requestTargetFilterReasons = table({
  name: "request_target_filter_reasons",
  key: ["request_id", "seq"],
  columns: {
    text: words("request_id target_id stage reason"),
    int: words("seq group_target_index"),
  },
});

/** The terms of a score. */
const requestDynamicScoreTerms = table({
  name: "request_dynamic_score_terms",
  key: ["request_id", "seq"],
  columns: {
    text: words("request_id term_name score_name"),
    int: words(
      "seq candidate_index rank coefficient_micro value_micro contribution_micro raw_micro",
      "final_micro n selected",
    ),
  },
});

/** Each pass over a plan, and what it read. */
const requestRoutingSignals = table({
  name: "request_routing_signals",
  key: ["request_id", "seq"],
  columns: {
    text: words("request_id pass signal_name"),
    "text?": ["text_value"],
    int: ["seq"],
    "int?": ["candidate_index"],
    "bigint?": ["int_value"],
  },
});

/** Features of the request that the decision read. */
const requestDecisionShapeFeatures = table({
  name: "request_decision_shape_features",
  key: ["request_id", "seq"],
  columns: {
    text: words("request_id feature_name"),
    "text?": ["text_value"],
    int: ["seq"],
    "bigint?": ["int_value"],
  },
});

/** Why the response cache was used or not. */
const requestCacheReasons = table({
  name: "request_cache_reasons",
  key: ["request_id", "seq"],
  columns: {
    text: words("request_id status reason"),
    int: ["seq"],
  },
});

/** Each run of a policy. */
const requestPolicyExecutions = table({
  name: "request_policy_executions",
  key: ["request_id", "seq"],
  columns: {
    text: words("request_id role policy_kind outcome"),
    "text?": words("policy_digest error_class error_name class_label terminal_error"),
    int: words("seq duration_us queue_us"),
    "int?": words("host_id response_bytes selected_candidate_index fallback_count"),
  },
});

/** How a shadow policy would have decided. */
const requestShadowResults = table({
  name: "request_shadow_results",
  key: ["request_id"],
  columns: {
    text: words("request_id policy_digest"),
    int: words("same_first same_order"),
    "int?": ["shadow_candidate_index"],
    "bigint?": words("shadow_cost_nusd served_cost_nusd"),
  },
});

/** Each step from a failed target to the next. */
const requestFallbackTransitions = table({
  name: "request_fallback_transitions",
  key: ["request_id", "seq"],
  columns: {
    text: words("request_id failed_target_id fallback_target_id fallback_reason error_class"),
    int: words("seq attempt_index retryable hedged fallback_succeeded"),
  },
});

/** What is needed to make the decision again. */
const requestDecisionRecords = table({
  name: "request_decision_records",
  key: ["request_id"],
  columns: {
    text: words(
      "request_id group_name config_fingerprint engine context_z context_sha256 plan_json",
    ),
    "text?": words("policy_digest content_sha256"),
    int: words("contract_version context_bytes"),
    bigint: words("ts seed"),
  },
});

/** The static part of a group's context, by its fingerprint. */
const routeConfigSnapshots = table({
  name: "route_config_snapshots",
  key: ["config_fingerprint", "group_name"],
  columns: {
    text: words("config_fingerprint group_name static_z"),
    bigint: ["first_seen_at"],
  },
});

/** The code of a policy, by its digest. */
const policyBundles = table({
  name: "policy_bundles",
  key: ["policy_digest"],
  columns: {
    text: words("policy_digest name manifest_json bundle_z"),
    "text?": ["signature_json"],
    bigint: ["first_seen_at"],
  },
});

/** Decision telemetry, and what a decision can be made again from. */
export const decisionTables = migration({
  id: 3,
  name: "decision_tables",
  backwardCompatible: true,
  safe: true,
  steps: [
    createTable(requestRoutingDecisions),
    createTable(requestTargetCandidates),
    createTable(requestTargetFilterReasons),
    createTable(requestDynamicScoreTerms),
    createTable(requestRoutingSignals),
    createTable(requestDecisionShapeFeatures),
    createTable(requestCacheReasons),
    createTable(requestPolicyExecutions),
    createTable(requestShadowResults),
    createTable(requestFallbackTransitions),
    createTable(requestDecisionRecords),
    createTable(routeConfigSnapshots),
    createTable(policyBundles),
    createIndex("request_routing_decisions", ["ts"]),
    createIndex("request_decision_records", ["ts"]),
  ],
});
