import { type RawBuilder, sql } from "kysely";
import type { Queries } from "../database.ts";
import { run } from "../queries.ts";
import { isInRollups } from "./calls.ts";
import type { ReportFilter } from "./report.ts";

/** Rollups are read for windows longer than this, ms. */
const LEAST_MS = 48 * 3_600_000;

/** The least span of time that a section tells apart. */
export type Grain = "hour" | "day" | "any";

/** Half-open, epoch ms. */
type Span = readonly [from: number, to: number];

/** The part of a window that finalised rollups stand for; the rest is read call by call. */
export interface Coverage {
  readonly hourly: readonly string[];
  readonly daily: readonly string[];
  /** Disjoint and in order. */
  readonly spans: readonly Span[];
  /** Those of them to which calls may have come that were loaded after the last of their runs. */
  readonly late: readonly { readonly span: Span; readonly loadedAfter: number }[];
}

export const NOTHING_COVERED: Coverage = { hourly: [], daily: [], spans: [], late: [] };

interface Run {
  readonly id: string;
  readonly rollup_type: string;
  readonly adjusts_run_id: string | null;
  readonly window_start: bigint;
  readonly window_end: bigint;
  readonly source_request_count: bigint;
  readonly generated_at: bigint;
}

/** A final run with those that adjust it, and the calls that all of them hold. */
interface Window {
  readonly type: "daily" | "hourly";
  readonly ids: readonly string[];
  readonly span: Span;
  readonly calls: bigint;
  /** `ingested_at` of the last call that a run would have taken, epoch ms. */
  readonly loadedTo: number;
}

/**
 * Finds what rollups can answer: runs that are final, whole within the window, and do not overlap. Where
 * there are not as many calls as they hold, calls came late or are purged: those loaded since are read.
 */
export async function findCoverage(
  db: Queries,
  filter: ReportFilter,
  grain: Grain,
): Promise<Coverage> {
  if (filter.to - filter.from <= LEAST_MS || !isInRollups(filter)) return NOTHING_COVERED;
  const { from, to } = filter;
  const runs = await run(
    db,
    sql<Run>`select id, rollup_type, adjusts_run_id, window_start, window_end,
      source_request_count, coalesce(generated_at, 0) as generated_at
      from usage_rollup_runs where status = 'finalized'
      and window_start >= ${BigInt(from)} and window_end <= ${BigInt(to)}
      order by window_start`,
  );
  const windows = choose(runs, grain === "hour" ? ["hourly"] : ["daily", "hourly"]);
  if (windows.length === 0) return NOTHING_COVERED;
  const counts = await countCalls(db, windows);
  const changed = windows.filter(({ ids, calls }) => (counts.get(ids[0]!) ?? 0n) !== calls);
  const idsOf = (of: Window["type"]) =>
    windows.filter(({ type }) => type === of).flatMap(({ ids }) => ids);
  return {
    daily: idsOf("daily"),
    hourly: idsOf("hourly"),
    spans: windows.map(({ span }) => span).toSorted(([a], [b]) => a - b),
    late: changed.map(({ span, loadedTo }) => ({ span, loadedAfter: loadedTo })),
  };
}

/** Days before hours: fewer rows. A run that adjusts another one comes with it. */
function choose(runs: readonly Run[], types: readonly Window["type"][]): Window[] {
  const chosen: Window[] = [];
  for (const type of types) {
    const ofType = runs.filter(({ rollup_type }) => rollup_type === type);
    for (const { id, window_start, window_end, adjusts_run_id } of ofType) {
      const span = [Number(window_start), Number(window_end)] as const;
      const overlaps = chosen.some(({ span: [from, to] }) => span[0] < to && from < span[1]);
      if (adjusts_run_id !== null || overlaps) continue;
      const own = ofType.filter((run) => run.id === id || run.adjusts_run_id === id);
      chosen.push({
        type,
        ids: own.map(({ id }) => id),
        span,
        calls: own.reduce((sum, run) => sum + run.source_request_count, 0n),
        loadedTo: Math.max(...own.map(({ generated_at }) => Number(generated_at))),
      });
    }
  }
  return chosen;
}

/** How many calls there are in the windows of runs, by a run of each. The index of `ts` knows it. */
async function countCalls(
  db: Queries,
  windows: readonly Window[],
): Promise<ReadonlyMap<string, bigint>> {
  const ids = windows.map(({ ids: [id] }) => id!);
  const rows = await run(
    db,
    sql<{ id: string; calls: bigint }>`select id, (select count(*) from request_usage as u
      where u.ts >= r.window_start and u.ts < r.window_end) as calls
      from usage_rollup_runs as r where id in (${sql.join(ids)})`,
  );
  return new Map(rows.map(({ id, calls }) => [id, calls]));
}

/** The condition that no rollup stands for a call `u`. */
export function isUncovered({ spans, late }: Coverage): RawBuilder<boolean> {
  if (spans.length === 0) return sql`1 = 1`;
  const joined: [number, number][] = [];
  for (const [from, to] of spans) {
    const last = joined.at(-1);
    if (last && last[1] === from) last[1] = to;
    else joined.push([from, to]);
  }
  const outside = sql.join(joined.map((span) => sql`not ${isIn(span)}`), sql` and `);
  const came = late.map(({ span, loadedAfter }) =>
    sql`${isIn(span)} and u.ingested_at > ${BigInt(loadedAfter)}`
  );
  return sql`(${sql.join([outside, ...came], sql` or `)})`;
}

function isIn([from, to]: Span): RawBuilder<boolean> {
  return sql`(u.ts >= ${BigInt(from)} and u.ts < ${BigInt(to)})`;
}
