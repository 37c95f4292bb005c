import { createIndex, createTable, migration } from "../migration.ts";
import { table, words } from "../table.ts";

/** Versions of the administrators' permissions. */
const authzPolicySets = table({
  name: "authz_policy_sets",
  key: ["id"],
  columns: {
    text: words("id name status digest created_by"),
    int: ["version"],
    bigint: ["created_at"],
    "bigint?": words("activated_at retired_at"),
  },
});

/** The rules of a set. */
const authzPolicyRules = table({
  name: "authz_policy_rules",
  key: ["policy_set_id", "seq"],
  columns: {
    text: words("policy_set_id subject domain object action effect"),
    int: ["seq"],
  },
});

/** Who has which role. */
const authzRoleLinks = table({
  name: "authz_role_links",
  key: ["policy_set_id", "seq"],
  columns: {
    text: words("policy_set_id subject role domain"),
    int: ["seq"],
  },
});

/** Who changed permissions. */
const authzPolicyAuditEvents = table({
  name: "authz_policy_audit_events",
  key: ["id"],
  columns: {
    text: words("id policy_set_id action actor_subject request_id note"),
    bigint: ["ts"],
  },
});

/** Each import of outcomes. */
const evalRuns = table({
  name: "eval_runs",
  key: ["run_id"],
  columns: {
    text: words("run_id name harness harness_version source_sha256"),
    int: words("success_threshold_micro outcome_count unmatched_count"),
    bigint: ["created_at"],
    "bigint?": ["imported_at"],
  },
});

/** Rewards of outcomes, as a verifier gave them. */
const evalOutcomes = table({
  name: "eval_outcomes",
  key: ["run_id", "outcome_id"],
  columns: {
    text: words("run_id outcome_id task_id arm verifier"),
    "text?": ["conversation_key"],
    bool: ["success"],
    int: words("trial reward_micro"),
    "bigint?": ["scored_at"],
  },
});

/** The calls of an outcome. */
const evalOutcomeRequests = table({
  name: "eval_outcome_requests",
  key: ["run_id", "outcome_id", "request_id"],
  columns: {
    text: words("run_id outcome_id request_id"),
  },
});

/** Labels of an outcome. */
const evalOutcomeLabels = table({
  name: "eval_outcome_labels",
  key: ["run_id", "outcome_id", "name"],
  columns: {
    text: words("run_id outcome_id name value"),
  },
});

/** Registered gates. */
const evalGates = table({
  name: "eval_gates",
  key: ["digest"],
  columns: {
    text: words("digest name run_name registered_by"),
    bigint: ["registered_at"],
  },
});

/** The rules of a gate. */
const evalGateRules = table({
  name: "eval_gate_rules",
  key: ["digest", "name"],
  columns: {
    text: words("digest name value_text"),
    "bigint?": ["value_micro"],
  },
});

/** How far the data jobs of migrations are. */
const schemaDataJobs = table({
  name: "schema_data_jobs",
  key: ["id"],
  columns: {
    text: words("id state cursor error"),
    int: ["migration_id"],
    bigint: words("rows_done updated_at"),
    "bigint?": ["rows_total"],
  },
});

/** Permissions of administrators, evaluation of outcomes, data jobs of migrations. */
export const controlTables = migration({
  id: 7,
  name: "control_tables",
  backwardCompatible: true,
  safe: true,
  steps: [
    createTable(authzPolicySets),
    createTable(authzPolicyRules),
    createTable(authzRoleLinks),
    createTable(authzPolicyAuditEvents),
    createTable(evalRuns),
    createTable(evalOutcomes),
    createTable(evalOutcomeRequests),
    createTable(evalOutcomeLabels),
    createTable(evalGates),
    createTable(evalGateRules),
    createTable(schemaDataJobs),
    createIndex("eval_outcomes", ["conversation_key"]),
    createIndex("eval_outcome_requests", ["request_id"]),
  ],
});
