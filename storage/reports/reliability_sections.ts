import { grouped } from "./grouped.ts";
import { calls, cost, countOf, type Dimension, errors, group, label, total } from "./measures.ts";
import type { Report } from "./report.ts";

/** A label of calls that rollups do not have. */
export const ofCall = (name: string, title: string) => label(name, title, { isInRollups: false });

/** A label of a joined table. */
export function joined(table: string, name: string, title: string): Dimension {
  return { name, title, format: "text", row: `${table}.${name}`, isInRollups: false };
}

/** A number that is a label. */
function code(row: string, name: string, title: string): Dimension {
  return { name, title, format: "count", row, isInRollups: false };
}

const ATTEMPTS = "join request_attempts as a on a.request_id = u.request_id";

const attempts = total("attempts", "Attempts", { row: "1" });

/** What went wrong, where, and what was done about it. */
export const reliabilitySections: readonly Report[] = [
  grouped({
    id: "status",
    title: "Status",
    isDefault: true,
    by: [code("u.status", "status", "Status")],
    measures: [calls, total("partials", "Partial", { row: "u.partial" }), cost],
  }),
  grouped({
    id: "errors",
    title: "Errors",
    isDefault: true,
    by: [
      ofCall("error", "Error"),
      ofCall("error_class", "Class"),
      ofCall("error_origin", "Origin"),
      code("u.status", "status", "Status"),
    ],
    measures: [calls],
    where: "u.status >= 400",
  }),
  grouped({
    id: "attempts",
    title: "Attempts",
    by: [
      joined("a", "provider", "Provider"),
      joined("a", "model", "Model"),
      joined("a", "outcome", "Outcome"),
    ],
    measures: [
      attempts,
      total("selected", "Served", { row: "a.selected" }),
      total("timed_out", "Timed out", { row: "a.timed_out" }),
      total("retryable", "Retryable", { row: "a.retryable" }),
      total("cost_nusd", "Cost", { row: "a.cost_nusd", format: "nusd" }),
    ],
    percentiles: [
      { name: "duration", title: "Duration", row: "a.duration_ms", percents: [50, 95] },
    ],
    join: ATTEMPTS,
  }),
  grouped({
    id: "fallbacks",
    title: "Fallbacks",
    isDefault: true,
    by: [
      group,
      { ...joined("f", "provider", "Failed provider"), name: "failed_provider" },
      { ...joined("f", "model", "Failed model"), name: "failed_model" },
      joined("a", "fallback_reason", "Reason"),
      { ...joined("a", "provider", "Next provider"), name: "next_provider" },
      { ...joined("a", "model", "Next model"), name: "next_model" },
    ],
    measures: [
      total("fallbacks", "Fallbacks", { row: "1" }),
      total("succeeded", "Served", { row: "a.selected" }),
    ],
    join: `${ATTEMPTS} and a.attempt_index > 0
      join request_attempts as f
      on f.request_id = u.request_id and f.attempt_index = a.attempt_index - 1`,
    where: "u.fallback_used = 1",
  }),
  grouped({
    id: "upstream-failures",
    title: "Failures of providers",
    by: [
      joined("a", "provider", "Provider"),
      joined("a", "model", "Model"),
      joined("a", "error_class", "Class"),
      code("a.status_code", "status_code", "Status"),
      { ...joined("d", "field_value", "Provider's code"), row: "coalesce(d.field_value, '')" },
    ],
    measures: [attempts, total("timed_out", "Timed out", { row: "a.timed_out" })],
    join: `${ATTEMPTS} left join request_upstream_error_details as d
      on d.request_id = a.request_id and d.attempt_index = a.attempt_index
      and d.field_name = 'code'`,
    where: "a.error_class <> ''",
  }),
  grouped({
    id: "request-shapes",
    title: "Shapes of requests",
    by: [
      joined("s", "inbound_dialect", "Dialect"),
      joined("s", "total_request_bytes_bucket", "Size"),
      joined("s", "estimated_input_tokens_bucket", "Input tokens"),
      joined("s", "tool_choice_mode", "Tool choice"),
    ],
    measures: [
      calls,
      errors,
      countOf("with_tools", "With tools", "s.tool_count > 0"),
      countOf("with_images", "With images", "s.image_count > 0"),
      countOf("with_cache_control", "With cache markers", "s.cache_control_present = 1"),
    ],
    join: "join request_shapes as s on s.request_id = u.request_id",
  }),
];
