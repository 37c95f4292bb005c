import type { DataClass } from "../../core/snapshot.ts";
import { tables } from "../schema.ts";
import { columnsOf } from "../table.ts";

/** A table whose rows are deleted by age. */
export interface RetentionTable {
  readonly name: string;
  /** A row `t` with its call `u`, where it has one. */
  readonly from: string;
  /** When the row happened, epoch ms. */
  readonly time: string;
  /** Who it belongs to, for holds. */
  readonly project: string;
  readonly environment: string;
}

const DIAGNOSTICS = [
  "request_translation_field_events",
  "request_translation_shapes",
  "request_upstream_error_details",
  "request_trace_events",
  "request_traffic_shape_events",
  "request_upstream_shape_events",
  "request_shapes",
  "request_token_estimates",
  "request_errors",
  "request_attempts",
];

const DECISIONS = [
  "request_cache_reasons",
  "request_decision_records",
  "request_decision_shape_features",
  "request_dynamic_score_terms",
  "request_fallback_transitions",
  "request_policy_executions",
  "request_routing_signals",
  "request_shadow_results",
  "request_target_candidates",
  "request_target_filter_reasons",
  "request_routing_decisions",
];

/** The tables of each class, children first. */
export const RETENTION_TABLES: Readonly<Record<DataClass, readonly RetentionTable[]>> = {
  usage_diagnostics: DIAGNOSTICS.map(ofCall),
  decision_telemetry: DECISIONS.map(ofCall),
  content_capture: [
    {
      name: "request_content_headers",
      from:
        "request_content_headers AS t JOIN request_content_captures AS c ON c.id = t.capture_id",
      time: "c.retention_until",
      project: "c.caller_project",
      environment: "c.caller_environment",
    },
    ofItsOwn("request_content_captures", "t.retention_until"),
  ],
  security_access_events: [ofItsOwn("security_access_events", "t.ts")],
  usage_detail: [ofItsOwn("request_usage", "t.ts")],
};

/** Tables that go with the row of a call, children first. */
export const CHILDREN: readonly string[] = [...DIAGNOSTICS, ...DECISIONS];

/** Classes whose holds keep the row of the call as well. */
export const CHILD_CLASSES: readonly DataClass[] = [
  "usage_diagnostics",
  "decision_telemetry",
  "content_capture",
];

/** A row that hangs on a call: an own time spares the join where there is one. */
function ofCall(name: string): RetentionTable {
  const hasTime = columnsOf(tables.get(name)!).some((column) => column.name === "ts");
  return {
    name,
    from: `${name} AS t LEFT JOIN request_usage AS u ON u.request_id = t.request_id`,
    time: hasTime ? "t.ts" : "u.ts",
    project: "u.caller_project",
    environment: "u.caller_environment",
  };
}

function ofItsOwn(name: string, time: string): RetentionTable {
  return {
    name,
    from: `${name} AS t`,
    time,
    project: "t.caller_project",
    environment: "t.caller_environment",
  };
}
