import type { Migration } from "./migration.ts";
import { migrations } from "./migrations/mod.ts";
import type { Table } from "./table.ts";

/** Every table as it is after all migrations: the migrations are the one list of columns. */
export const tables: ReadonlyMap<string, Table> = tablesAfter(migrations);

/** Tables whose rows ride in the line of a call, without their `request_id`. */
export const childTables: readonly string[] = [
  "request_attempts",
  "request_cache_reasons",
  "request_decision_records",
  "request_decision_shape_features",
  "request_dynamic_score_terms",
  "request_errors",
  "request_fallback_transitions",
  "request_policy_executions",
  "request_routing_decisions",
  "request_routing_signals",
  "request_shadow_results",
  "request_shapes",
  "request_target_candidates",
  "request_target_filter_reasons",
  "request_token_estimates",
  "request_trace_events",
  "request_traffic_shape_events",
  "request_translation_field_events",
  "request_translation_shapes",
  "request_upstream_error_details",
  "request_upstream_shape_events",
];

/** Tables that lines of the event journal may name. */
export const eventTables: readonly string[] = [
  "policy_bundles",
  "request_content_audit_events",
  "request_content_captures",
  "request_content_headers",
  "request_content_tombstones",
  "route_config_snapshots",
  "security_access_events",
];

/** Folds migrations into the tables they leave. */
export function tablesAfter(list: readonly Migration[]): ReadonlyMap<string, Table> {
  const found = new Map<string, Table>();
  for (const step of list.flatMap(({ steps }) => steps)) {
    if (step.do === "createTable") found.set(step.table.name, step.table);
    if (step.do !== "addColumn") continue;
    const before = found.get(step.table);
    if (!before) throw new RangeError(`Cannot add a column: no table "${step.table}"`);
    const names = [...before.columns[step.column.kind] ?? [], step.column.name];
    const columns = { ...before.columns, [step.column.kind]: names };
    found.set(step.table, { ...before, columns });
  }
  return found;
}
