import { type RawBuilder, sql } from "kysely";
import { isWanted } from "./calls.ts";
import { group } from "./measures.ts";
import { selectPercentiles } from "./percentiles.ts";
import { column, type Report, type ReportFilter } from "./report.ts";
import { selectReport } from "./select_report.ts";

const CALL = [
  column("request_id", "Call"),
  column("ts", "Time", "time"),
  column("caller_id", "Caller"),
  column("resolved_group", "Group"),
  column("target_provider", "Provider"),
  column("target_model", "Model"),
  column("status", "Status", "count"),
  column("error", "Error"),
  column("total_tokens", "Tokens", "count"),
  column("total_cost_nusd", "Cost", "nusd"),
  column("latency_ms", "Latency", "ms"),
] as const;

const MINUTE_MS = 60_000;
const OVERHEAD_US = 50_000;

/** What makes a call stand out; the first that holds is its reason. */
const REASONS: readonly (readonly [reason: string, holds: string])[] = [
  ["error", "u.status >= 400"],
  ["partial", "u.partial = 1"],
  ["fallback", "u.fallback_used = 1"],
  ["attempts", "u.attempts > 1"],
  ["slow", `u.latency_ms > ${MINUTE_MS}`],
  ["slow for its group", "u.latency_ms > 3 * p.latency_p95_ms"],
  ["over 1 USD", "u.total_cost_nusd > 1000000000"],
  ["cost over p99", "u.total_cost_nusd > c.cost_p99_ms"],
  ["overhead", `u.overhead_us > ${OVERHEAD_US}`],
  ["quota", "u.quota_state not in ('', 'ok')"],
  ["key", "u.key_state not in ('', 'active')"],
];

const REASON = `case ${
  REASONS.map(([reason, holds]) => `when ${holds} then '${reason}'`).join(" ")
} end`;

/** Calls one by one. */
export const listSections: readonly Report[] = [
  selectReport({
    id: "requests",
    title: "Calls",
    columns: CALL,
    sort: { by: "ts", direction: "desc" },
    select: (filter) => sql`select u.* from request_usage as u where ${isWanted(filter)}`,
  }),
  selectReport({
    id: "expensive-requests",
    title: "Most expensive calls",
    columns: CALL,
    sort: { by: "total_cost_nusd", direction: "desc" },
    select: (filter) =>
      sql`select u.* from request_usage as u
        where ${isWanted(filter)} and u.total_cost_nusd is not null`,
  }),
  selectReport({
    id: "anomalies",
    title: "Anomalies",
    columns: [column("reason", "Reason"), ...CALL],
    sort: { by: "ts", direction: "desc" },
    select: (filter) =>
      sql`select * from (
        select u.*, ${sql.raw(REASON)} as reason from request_usage as u
        left join (${groupLatency(filter)}) as p on p.resolved_group = u.resolved_group
        left join (${costs(filter)}) as c on 1 = 1
        where ${isWanted(filter)}
      ) as judged where reason is not null`,
  }),
];

function groupLatency(filter: ReportFilter): RawBuilder<unknown> {
  return selectPercentiles(
    { name: "latency", title: "", row: "u.latency_ms", percents: [95] },
    { from: sql`request_usage as u`, by: [group], where: isWanted(filter) },
  );
}

function costs(filter: ReportFilter): RawBuilder<unknown> {
  return selectPercentiles(
    { name: "cost", title: "", row: "u.total_cost_nusd", percents: [99] },
    { from: sql`request_usage as u`, by: [], where: isWanted(filter) },
  );
}
