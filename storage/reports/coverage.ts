import { type RawBuilder, sql } from "kysely";
import type { Queries } from "../database.ts";
import { run } from "../queries.ts";
import { isInRollups } from "./calls.ts";
import type { ReportFilter } from "./report.ts";

/** Rollups are read for windows longer than this, ms. */
const LEAST_MS = 48 * 3_600_000;

/** The least span of time that a section tells apart. */
export type Grain = "hour" | "day" | "any";

/** The part of a window that finalised rollups stand for; the rest is read call by call. */
export interface Coverage {
  readonly hourly: readonly string[];
  readonly daily: readonly string[];
  /** Half-open, epoch ms; disjoint and in order. */
  readonly spans: readonly (readonly [from: number, to: number])[];
}

export const NOTHING_COVERED: Coverage = { hourly: [], daily: [], spans: [] };

interface Run {
  readonly id: string;
  readonly rollup_type: string;
  readonly adjusts_run_id: string | null;
  readonly window_start: bigint;
  readonly window_end: bigint;
}

/** Finds what rollups can answer: runs that are final, whole within the window, and do not overlap. */
export async function findCoverage(
  db: Queries,
  filter: ReportFilter,
  grain: Grain,
): Promise<Coverage> {
  if (filter.to - filter.from <= LEAST_MS || !isInRollups(filter)) return NOTHING_COVERED;
  const { from, to } = filter;
  const runs = await run(
    db,
    sql<Run>`select id, rollup_type, adjusts_run_id, window_start, window_end
      from usage_rollup_runs where status = 'finalized'
      and window_start >= ${BigInt(from)} and window_end <= ${BigInt(to)}
      order by window_start`,
  );
  return choose(runs, grain === "hour" ? ["hourly"] : ["daily", "hourly"]);
}

/** Days before hours: fewer rows. A run that adjusts another one comes with it. */
function choose(runs: readonly Run[], types: readonly ("daily" | "hourly")[]): Coverage {
  const chosen: Record<"daily" | "hourly", string[]> = { daily: [], hourly: [] };
  const spans: (readonly [number, number])[] = [];
  for (const type of types) {
    const ofType = runs.filter(({ rollup_type }) => rollup_type === type);
    for (const { id, window_start, window_end, adjusts_run_id } of ofType) {
      const span = [Number(window_start), Number(window_end)] as const;
      const overlaps = spans.some(([from, to]) => span[0] < to && from < span[1]);
      if (adjusts_run_id !== null || overlaps) continue;
      spans.push(span);
      chosen[type].push(id);
    }
    const taken = new Set(chosen[type]);
    const adjusting = ofType.filter(({ adjusts_run_id: of }) => of !== null && taken.has(of));
    chosen[type].push(...adjusting.map(({ id }) => id));
  }
  return { ...chosen, spans: spans.toSorted(([a], [b]) => a - b) };
}

/** The condition that no rollup stands for a call `u`. */
export function isUncovered({ spans }: Coverage): RawBuilder<boolean> {
  const joined: [number, number][] = [];
  for (const [from, to] of spans) {
    const last = joined.at(-1);
    if (last && last[1] === from) last[1] = to;
    else joined.push([from, to]);
  }
  const outside = joined.map(([from, to]) =>
    sql`not (u.ts >= ${BigInt(from)} and u.ts < ${BigInt(to)})`
  );
  return outside.length === 0 ? sql`1 = 1` : sql`${sql.join(outside, sql` and `)}`;
}
