import { type RawBuilder, sql } from "kysely";
import type { Queries } from "../database.ts";
import { isWanted, labelConditions } from "./calls.ts";
import {
  type Coverage,
  findCoverage,
  type Grain,
  isUncovered,
  NOTHING_COVERED,
} from "./coverage.ts";
import { interpolated, isInHistograms } from "./histogram.ts";
import { type Dimension, type Measure, rollupOf } from "./measures.ts";
import { percentileColumns, type Percentiles, selectPercentiles } from "./percentiles.ts";
import type { Chart, Report, ReportColumn, ReportFilter, ReportRow, Sort } from "./report.ts";
import { ranked } from "./select_report.ts";

/** A column that is computed from others of its row; `of` is SQL on their names. */
export interface Derived extends ReportColumn {
  readonly of: string;
}

/** Sums over groups of calls. */
export interface Grouping {
  readonly id: string;
  readonly title: string;
  readonly isDefault?: boolean;
  readonly by: readonly Dimension[];
  readonly measures: readonly Measure[];
  readonly derived?: readonly Derived[];
  readonly percentiles?: readonly Percentiles[];
  /** Tables joined to the calls `u`; a group then counts their rows. */
  readonly join?: string;
  /** Which calls, besides those of the filter. */
  readonly where?: string;
  /** How fine its groups are in time. */
  readonly grain?: Grain;
  readonly sort?: Sort;
  charts?(rows: readonly ReportRow[]): readonly Chart[];
}

/** A share of a million, NULL where there is no whole. 64 bits do not hold a million times some amounts. */
export function share(name: string, title: string, [part, whole]: [string, string]): Derived {
  const of = `cast(round(1000000.0 * ${part} / nullif(${whole}, 0)) as bigint)`;
  return { name, title, format: "share", of };
}

/** Builds a report that groups calls. Long windows read rollups, where those know everything asked for. */
export function grouped(grouping: Grouping): Report {
  const { id, title, isDefault = false, by, measures, derived = [], percentiles = [] } = grouping;
  const columns = [
    ...by,
    ...measures,
    ...derived,
    ...percentiles.flatMap(percentileColumns),
  ].map(({ name, title, format }) => ({ name, title, format }));
  const sort = grouping.sort ?? { by: measures[0]!.name, direction: "desc" };
  return {
    id,
    title,
    isDefault,
    columns,
    charts: grouping.charts ?? (() => []),
    query: async (db, filter) => {
      const coverage = await coverageOf(db, filter, grouping);
      const select = selectGroups(grouping, filter, coverage);
      let rows = await ranked(db, select, { filter, sort, columns });
      if (coverage.spans.length === 0) return rows;
      for (const item of percentiles.filter((item) => isInHistograms(item, by, filter))) {
        const replace = await interpolated(db, { percentiles: item, by, filter, coverage });
        rows = rows.map(replace);
      }
      return rows;
    },
  };
}

function coverageOf(db: Queries, filter: ReportFilter, grouping: Grouping): Promise<Coverage> {
  const { by, measures, where, join, percentiles = [], grain = "any" } = grouping;
  // Rows are ranked by the database, which cannot rank by what is interpolated later.
  const ranksByPercentile = percentiles.flatMap(percentileColumns)
    .some(({ name }) => name === filter.sort?.by);
  const known = !ranksByPercentile && where === undefined && join === undefined &&
    by.every(({ isInRollups }) => isInRollups) && measures.every(({ rollup }) => rollup !== null);
  return known ? findCoverage(db, filter, grain) : Promise.resolve(NOTHING_COVERED);
}

function selectGroups(
  grouping: Grouping,
  filter: ReportFilter,
  coverage: Coverage,
): RawBuilder<unknown> {
  const { by, derived = [], percentiles = [] } = grouping;
  const source = callSource(grouping, filter);
  const tables = percentiles.map((item, place) => {
    const on = by.map(({ name }) => `p${place}.${name} = s.${name}`).join(" and ") || "1 = 1";
    return sql`left join (${selectPercentiles(item, { by, ...source })}) as ${
      sql.raw(`p${place} on ${on}`)
    }`;
  });
  const more = [
    ...derived.map(({ of, name }) => `${of} as ${name}`),
    ...percentiles.flatMap(percentileColumns).map(({ name }) => name),
  ];
  const names = ["s.*", ...more].join(", ");
  return sql`select ${sql.raw(names)} from (${sums(grouping, filter, coverage)}) as s
    ${sql.join(tables, sql` `)}`;
}

function callSource({ join = "", where = "1 = 1" }: Grouping, filter: ReportFilter) {
  return {
    from: sql.raw(`request_usage as u ${join}`),
    where: sql`${isWanted(filter)} and ${sql.raw(where)}`,
  };
}

/** Groups of calls, and of the rows of rollups that stand for some of them. */
function sums(grouping: Grouping, filter: ReportFilter, coverage: Coverage): RawBuilder<unknown> {
  const { by, measures } = grouping;
  const { from, where } = callSource(grouping, filter);
  const columns = (add: (measure: Measure) => string, value: (dimension: Dimension) => string) =>
    sql.raw(
      [
        ...by.map((dimension) => `${value(dimension)} as ${dimension.name}`),
        ...measures.map((measure) => `${sumOf(add(measure))} as ${measure.name}`),
      ].join(", "),
    );
  const groups = (names: readonly string[]) =>
    sql.raw(names.length === 0 ? "" : `group by ${names.join(", ")}`);
  const fromCalls = sql`select ${columns(({ row }) => row, ({ row }) => row)}
    from ${from} where ${where} and ${isUncovered(coverage)} ${groups(by.map(({ row }) => row))}`;
  if (coverage.spans.length === 0) return fromCalls;

  const names = by.map(({ name }) => name);
  const inRollups = (table: string, runs: readonly string[]) =>
    sql`select ${columns(({ rollup }) => rollup!, rollupOf)} from ${sql.table(table)} as r
      where ${sql.join([isOneOf(runs), ...labelConditions(filter, "r")], sql` and `)}
      ${groups(by.map(rollupOf))}`;
  const parts = [
    fromCalls,
    ...coverage.daily.length > 0 ? [inRollups("usage_rollup_daily", coverage.daily)] : [],
    ...coverage.hourly.length > 0 ? [inRollups("usage_rollup_hourly", coverage.hourly)] : [],
  ];
  const whole = columns(({ name }) => name, ({ name }) => name);
  return sql`select ${whole} from (${sql.join(parts, sql` union all `)}) as parts ${groups(names)}`;
}

/** A sum may be more than 64 bits hold, so it is none of their kind. */
function sumOf(added: string): string {
  return added === "1" ? "count(*)" : `coalesce(sum(${added}), 0)`;
}

function isOneOf(runs: readonly string[]): RawBuilder<unknown> {
  return sql`r.run_id in (${sql.join(runs)})`;
}
