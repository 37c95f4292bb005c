import type { Queries } from "../database.ts";
import { tables } from "../schema.ts";
import { columnsOf } from "../table.ts";
import type { ReportRow } from "./report.ts";

/** Whether a part of the evidence is there; `missing` is what should be there and is not. */
export type Presence = "present" | "not_applicable" | "missing";

/** Everything the database holds of one call. */
export interface Evidence {
  /** The call's row, in parts; names are columns of `request_usage`. */
  readonly parts: Readonly<Record<UsagePart, ReportRow>>;
  /** Rows of the other tables. */
  readonly rows: Readonly<Record<RowPart, readonly ReportRow[]>>;
  /** Rows of decision telemetry, by table. */
  readonly decisionTelemetry: Readonly<Record<string, readonly ReportRow[]>>;
  readonly presence: Readonly<Record<RowPart | "decisionTelemetry", Presence>>;
  readonly completeness: "complete" | "partial_expected" | "partial_missing" | "minimal";
}

export type UsagePart = "request" | "costs" | "tokens" | "timing" | "limits" | "shaping";

/** Which columns belong to a part: the first that fits; `request` takes the rest. */
const PARTS: readonly (readonly [Exclude<UsagePart, "request">, RegExp])[] = [
  ["shaping", /^traffic_shape_/],
  ["limits", /^(?:charged_|quota_state|key_state)/],
  ["costs", /_nusd$|^pricing_/],
  ["tokens", /_tokens$|^usage_source$|_image_count$|^tool_call_count$|^reasoning_/],
  ["timing", /^ts$|_at$|_ms$|_us$/],
];

export type RowPart = keyof typeof TABLES;

/** Tables of a call, in the order in which its story is told. */
const TABLES = {
  attempts: "request_attempts",
  errors: "request_errors",
  sanitizedUpstreamErrors: "request_upstream_error_details",
  trace: "request_trace_events",
  trafficShapeEvents: "request_traffic_shape_events",
  upstreamShapeEvents: "request_upstream_shape_events",
  shape: "request_shapes",
  translations: "request_translation_shapes",
  translationFields: "request_translation_field_events",
  estimates: "request_token_estimates",
  capture: "request_content_captures",
} as const;

const DECISION_TABLES: readonly string[] = [
  "request_routing_decisions",
  "request_target_candidates",
  "request_target_filter_reasons",
  "request_dynamic_score_terms",
  "request_routing_signals",
  "request_decision_shape_features",
  "request_cache_reasons",
  "request_policy_executions",
  "request_shadow_results",
  "request_fallback_transitions",
];

/** Content of captures, and what opens it: no report reads it. */
const SECRET = /^(?:content_text|encryption_)/;

/** Finds a call by its id, or by its caller's own id when that names one call; `null` when it is not there. */
export async function findEvidence(db: Queries, id: string): Promise<Evidence | null> {
  const usage = await findCall(db, id);
  if (!usage) return null;
  const requestId = String(usage.request_id);
  const rows = await readTables(db, TABLES, requestId);
  const names = Object.fromEntries(DECISION_TABLES.map((name) => [name, name]));
  const decisionTelemetry = await readTables(db, names, requestId);
  const presence = presenceOf(usage, rows, decisionTelemetry);
  return {
    parts: split(usage),
    rows,
    decisionTelemetry,
    presence,
    completeness: completenessOf(usage, presence),
  };
}

async function findCall(db: Queries, id: string): Promise<ReportRow | null> {
  const found = await db.query("SELECT * FROM request_usage WHERE request_id = $1", id);
  if (found.length > 0) return found[0] as ReportRow;
  const own = await db.query(
    "SELECT * FROM request_usage WHERE client_request_id = $1 LIMIT 2",
    id,
  );
  return own.length === 1 ? own[0] as ReportRow : null;
}

async function readTables<Name extends string>(
  db: Queries,
  names: Readonly<Record<Name, string>>,
  id: string,
): Promise<Record<Name, readonly ReportRow[]>> {
  const found: Partial<Record<Name, readonly ReportRow[]>> = {};
  for (const name in names) found[name] = await readTable(db, names[name], id);
  return found as Record<Name, readonly ReportRow[]>;
}

async function readTable(db: Queries, name: string, id: string): Promise<readonly ReportRow[]> {
  const table = tables.get(name)!;
  const columns = columnsOf(table).map((column) => column.name)
    .filter((column) => column !== "request_id" && !SECRET.test(column));
  const order = table.key.filter((column) => column !== "request_id");
  return await db.query(
    `SELECT ${columns.join(", ")} FROM ${name} WHERE request_id = $1` +
      (order.length === 0 ? "" : ` ORDER BY ${order.join(", ")}`),
    id,
  ) as ReportRow[];
}

function split(usage: ReportRow): Record<UsagePart, ReportRow> {
  const parts: Record<UsagePart, Record<string, ReportRow[string]>> = {
    request: {},
    costs: {},
    tokens: {},
    timing: {},
    limits: {},
    shaping: {},
  };
  for (const [name, value] of Object.entries(usage)) {
    const part = PARTS.find(([, pattern]) => pattern.test(name))?.[0] ?? "request";
    parts[part][name] = value;
  }
  return parts;
}

function presenceOf(
  usage: ReportRow,
  rows: Evidence["rows"],
  decisionTelemetry: Evidence["decisionTelemetry"],
): Evidence["presence"] {
  const expected: Partial<Record<RowPart, boolean>> = {
    attempts: Number(usage.attempts) > 0,
    errors: Number(usage.status) >= 400,
    shape: usage.resolved_group !== "",
    trafficShapeEvents: usage.traffic_shape_applied === 1n,
  };
  const judge = (isThere: boolean, isExpected = false): Presence =>
    isThere ? "present" : isExpected ? "missing" : "not_applicable";
  const names = Object.keys(rows) as RowPart[];
  return {
    ...Object.fromEntries(
      names.map((name) => [name, judge(rows[name].length > 0, expected[name])]),
    ) as Record<RowPart, Presence>,
    decisionTelemetry: judge(Object.values(decisionTelemetry).some((list) => list.length > 0)),
  };
}

/** A line that was too long left its parts out: nothing was lost since. */
function completenessOf(
  usage: ReportRow,
  presence: Evidence["presence"],
): Evidence["completeness"] {
  const all = Object.values(presence);
  if (!all.includes("missing")) return "complete";
  if (usage.truncated === 1n) return "partial_expected";
  return all.includes("present") ? "partial_missing" : "minimal";
}
