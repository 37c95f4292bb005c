import { type RawBuilder, sql } from "kysely";
import type { Queries } from "../database.ts";
import { run } from "../queries.ts";
import { boundOf, BOUNDS_MS } from "../rollups/rollup_sql.ts";
import { isWanted, labelConditions } from "./calls.ts";
import { type Coverage, isUncovered } from "./coverage.ts";
import { type Dimension, rollupOf } from "./measures.ts";
import { percentileColumns, type Percentiles } from "./percentiles.ts";
import type { ReportFilter, ReportRow } from "./report.ts";

/** Labels that histograms have. */
const LABELS = ["resolved_group", "target_provider", "target_model"];

/** Whether histograms can answer: they know time, group and target, and some of the times of a call. */
export function isInHistograms(
  { metric }: Percentiles,
  by: readonly Dimension[],
  filter: ReportFilter,
): boolean {
  return metric !== undefined &&
    [
      ...Object.keys(filter.labels),
      ...by.filter(({ format }) => format === "text")
        .map(({ name }) => name),
    ].every((name) => LABELS.includes(name));
}

/** What is asked of histograms. */
export interface HistogramQuery {
  readonly percentiles: Percentiles;
  readonly by: readonly Dimension[];
  readonly filter: ReportFilter;
  readonly coverage: Coverage;
}

/**
 * Percentiles over rollups, and over the calls they do not stand for: the rank's bucket is found, and the
 * place within it is taken as if its calls were spread evenly. Beyond the last bound its lower end is given.
 *
 * @returns a function that replaces the percentiles of a row
 */
export async function interpolated(
  db: Queries,
  query: HistogramQuery,
): Promise<(row: ReportRow) => ReportRow> {
  const { by, percentiles } = query;
  const keyOf = (row: ReportRow) => by.map(({ name }) => String(row[name])).join("\n");
  const buckets = Map.groupBy(await run(db, selectBuckets(query)), keyOf);
  const columns = percentileColumns(percentiles).map(({ name }) => name);
  return (row) => {
    const own = buckets.get(keyOf(row)) ?? [];
    const values = percentiles.percents.map((percent) => interpolate(own, BigInt(percent)));
    return {
      ...row,
      ...Object.fromEntries(columns.map((name, place) => [name, values[place] ?? null])),
    };
  };
}

function selectBuckets({ by, filter, coverage, percentiles }: HistogramQuery) {
  const names = by.map(({ name }) => `${name}, `).join("");
  const columns = (value: (dimension: Dimension) => string) =>
    sql.raw(by.map((dimension) => `${value(dimension)} as ${dimension.name}, `).join(""));
  const runs = [...coverage.daily, ...coverage.hourly];
  const conditions: RawBuilder<unknown>[] = [
    sql`r.run_id in (${sql.join(runs)}) and r.metric = ${percentiles.metric}`,
    ...labelConditions(filter, "r"),
  ];
  return sql<ReportRow>`select ${sql.raw(names)} le_ms, cast(sum(n) as bigint) as n from (
      select ${columns(rollupOf)} r.le_ms, r.count as n from usage_rollup_histograms as r
        where ${sql.join(conditions, sql` and `)}
      union all
      select ${columns(({ row }) => row)} ${sql.raw(boundOf(percentiles.row))} as le_ms, 1 as n
        from request_usage as u where ${isWanted(filter)} and ${isUncovered(coverage)}
        and ${sql.raw(percentiles.row)} is not null
    ) as parts group by ${sql.raw(names)} le_ms order by le_ms`;
}

const LAST = 2n ** 31n - 1n;

/**
 * The value at a rank of a histogram, whose buckets are in order; `null` of an empty one.
 *
 * @example Usage
 * ```ts
 * import { interpolate } from "@/storage/reports/histogram.ts";
 *
 * const buckets = [{ le_ms: 100n, n: 10n }, { le_ms: 200n, n: 10n }];
 * if (interpolate(buckets, 75n) !== 150n) throw new Error("Cannot interpolate");
 * ```
 */
export function interpolate(buckets: readonly ReportRow[], percent: bigint): bigint | null {
  const list = buckets.map(({ le_ms, n }) => ({ le: BigInt(le_ms ?? 0), n: BigInt(n ?? 0) }));
  const whole = list.reduce((sum, { n }) => sum + n, 0n);
  const rank = (whole * percent + 99n) / 100n;
  let below = 0n;
  for (const { le, n } of list) {
    if (below + n < rank) {
      below += n;
      continue;
    }
    const lower = lowerBound(le);
    return le === LAST ? lower : lower + (le - lower) * (rank - below) / n;
  }
  return null;
}

function lowerBound(le: bigint): bigint {
  const place = BOUNDS_MS.indexOf(Number(le));
  return BigInt(BOUNDS_MS[place - 1] ?? 0);
}
