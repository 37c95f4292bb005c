import type { Queries } from "../database.ts";
import { advise, type CallerTraffic, type TargetTraffic } from "./advisor.ts";
import { grouped } from "./grouped.ts";
import { caller, calls, client, countOf, group, total } from "./measures.ts";
import { joined } from "./reliability_sections.ts";
import { type Cell, column, type Report, type ReportFilter, type ReportRow } from "./report.ts";

const QUEUED = "u.traffic_shape_decision = 'queued'";
const REJECTED = "u.traffic_shape_decision = 'rejected'";
const JOIN = "join request_attempts as a on a.request_id = u.request_id";

const byCaller = grouped({
  id: "by-caller",
  title: "",
  by: [caller],
  measures: [
    calls,
    countOf("queued", "", QUEUED),
    countOf("rejected", "", REJECTED),
    countOf("queue_full", "", `${REJECTED} and u.queue_wait_ms = 0`),
    countOf("queued_left", "", `${QUEUED} and u.status = 499`),
    countOf("unqueued_left", "", `not (${QUEUED}) and u.status = 499`),
    countOf("bad_requests", "", "u.status = 400"),
    countOf("rate_limited", "", "u.status = 429"),
    countOf("failed", "", "u.status >= 500"),
    countOf("timeouts", "", "u.status in (408, 504)"),
    total("fallbacks", "", { row: "u.fallback_used" }),
  ],
  percentiles: [
    {
      name: "wait",
      title: "",
      row: `case when ${QUEUED} then u.queue_wait_ms end`,
      percents: [50, 95, 100],
    },
    {
      name: "retry_after",
      title: "",
      row: "nullif(u.traffic_shape_retry_after_ms, 0)",
      percents: [50, 95],
    },
  ],
});

const byTarget = grouped({
  id: "by-target",
  title: "",
  by: [group, joined("a", "provider", ""), joined("a", "model", ""), caller, client],
  measures: [
    total("attempts", "", { row: "1" }),
    countOf("rate_limited", "", "a.status_code = 429"),
    countOf("incompatible", "", "a.status_code in (400, 413, 422)"),
  ],
  join: JOIN,
});

const COUNTS = [
  column("calls", "Calls", "count"),
  column("queued", "Queued", "count"),
  column("rejected", "Refused", "count"),
  column("bad_requests", "400", "count"),
  column("rate_limited", "429", "count"),
  column("failed", "5xx", "count"),
  column("timeouts", "Timeouts", "count"),
  column("fallback_micro", "Fallbacks", "share"),
  column("callers", "Callers", "count"),
  column("clients", "Clients", "count"),
  column("wait_p50_ms", "Wait p50", "ms"),
  column("wait_p95_ms", "Wait p95", "ms"),
  column("retry_after_p50_ms", "Retry after p50", "ms"),
  column("retry_after_p95_ms", "Retry after p95", "ms"),
].map((item) => ({ ...item, isOptional: true }) as const);

/** What the traffic suggests to change: it reads, and changes nothing. */
export const advisorSection: Report = {
  id: "advisor",
  title: "Traffic tuning advisor",
  isDefault: false,
  columns: [
    column("finding", "Finding"),
    column("subject", "Of"),
    column("because", "Because"),
    column("look_at", "Look at"),
    ...COUNTS,
  ],
  charts: () => [],
  query: advisor,
};

/** Groups read at most. */
const GROUPS = 100_000;

async function advisor(db: Queries, given: ReportFilter): Promise<ReportRow[]> {
  const filter = { ...given, limit: GROUPS, sort: null };
  const callerRows = await byCaller.query(db, filter);
  const attemptRows = await byTarget.query(db, filter);
  const findings = advise(
    callerRows.map((row) => callerTraffic(row, attemptRows)),
    targetTraffic(attemptRows),
  );
  return findings.slice(0, given.limit).map(({ finding, subject, because, lookAt }) => ({
    finding,
    subject,
    because,
    look_at: lookAt,
    ...countsOf(subject, callerRows, attemptRows),
  }));
}

/** The counts of the caller that a finding is about, or who was affected by the target it is about. */
function countsOf(
  subject: string,
  callerRows: readonly ReportRow[],
  attemptRows: readonly ReportRow[],
): ReportRow {
  const row = callerRows.find(({ caller_id }) => caller_id === subject);
  const affected = attemptRows.filter((attempt) =>
    row ? attempt.caller_id === subject : [attempt.provider, targetOf(attempt)].includes(subject)
  );
  if (!row && affected.length === 0) return {};
  return {
    ...row,
    fallback_micro: row ? BigInt(row.fallbacks!) * 1_000_000n / BigInt(row.calls!) : null,
    callers: BigInt(new Set(affected.map(({ caller_id }) => caller_id)).size),
    clients: BigInt(new Set(affected.map(({ client }) => client)).size),
  };
}

function callerTraffic(row: ReportRow, attemptRows: readonly ReportRow[]): CallerTraffic {
  const own = attemptRows.filter(({ caller_id }) => caller_id === row.caller_id);
  return {
    caller: String(row.caller_id),
    calls: Number(row.calls),
    queued: Number(row.queued),
    rejected: Number(row.rejected),
    queueFull: Number(row.queue_full),
    queuedLeft: Number(row.queued_left),
    unqueuedLeft: Number(row.unqueued_left),
    longestWaitMs: Number(row.wait_p100_ms ?? 0),
    waitP95Ms: numberOrNull(row.wait_p95_ms),
    retryAfterP50Ms: numberOrNull(row.retry_after_p50_ms),
    attempts: addUp(own, "attempts"),
    upstream429: addUp(own, "rate_limited"),
  };
}

function targetTraffic(attemptRows: readonly ReportRow[]): TargetTraffic[] {
  return [...Map.groupBy(attemptRows, targetOf).values()].map((list) => ({
    group: String(list[0]!.resolved_group),
    provider: String(list[0]!.provider),
    model: String(list[0]!.model),
    attempts: addUp(list, "attempts"),
    rateLimited: addUp(list, "rate_limited"),
    incompatible: addUp(list, "incompatible"),
    callers: new Set(list.map(({ caller_id }) => String(caller_id))),
  })).toSorted((a, b) => a.group < b.group ? -1 : a.group > b.group ? 1 : b.attempts - a.attempts);
}

function targetOf({ resolved_group, provider, model }: ReportRow): string {
  return `${resolved_group}: ${provider}/${model}`;
}

function addUp(rows: readonly ReportRow[], name: string): number {
  return rows.reduce((sum, row) => sum + Number(row[name]), 0);
}

function numberOrNull(value: Cell | undefined): number | null {
  return value === null || value === undefined ? null : Number(value);
}
