import { type RawBuilder, sql } from "kysely";
import type { ReportColumn } from "./report.ts";

/** Percentiles of a number of calls; calls without it do not count. */
export interface Percentiles {
  /** The columns are `<name>_p<percent>_ms`. */
  readonly name: string;
  readonly title: string;
  /** Of a call `u`. */
  readonly row: string;
  readonly percents: readonly number[];
  /** Its histogram in rollups, where there is one. */
  readonly metric?: "latency" | "ttft" | "upstream";
}

/** The columns of some percentiles. */
export function percentileColumns(
  { name, title, percents }: Percentiles,
): readonly ReportColumn[] {
  return percents.map((percent) => ({
    name: `${name}_p${percent}_ms`,
    title: `${title} p${percent}`,
    format: "ms",
  }));
}

/**
 * A row per group with its percentiles by nearest rank: the smallest value that p percent of the
 * calls do not pass. Equal values are counted first, which leaves little to put in order.
 */
export function selectPercentiles(
  percentiles: Percentiles,
  { from, by, where }: {
    readonly from: RawBuilder<unknown>;
    readonly by: readonly { readonly name: string; readonly row: string }[];
    readonly where: RawBuilder<unknown>;
  },
): RawBuilder<unknown> {
  const names = by.map(({ name }) => name);
  const list = (items: readonly string[]) => sql.raw(items.map((item) => `${item}, `).join(""));
  const groups = sql.raw(names.length === 0 ? "" : `group by ${names.join(", ")}`);
  const partition = sql.raw(names.length === 0 ? "" : `partition by ${names.join(", ")}`);
  const value = sql.raw(percentiles.row);
  const counted = sql`select ${list(by.map(({ row, name }) => `${row} as ${name}`))}
    ${value} as value, count(*) as n
    from ${from} where ${where} and ${value} is not null
    group by ${list(by.map(({ row }) => row))} ${value}`;
  const ranked = sql`select ${list(names)} value,
    sum(n) over (${partition} order by value) as upto, sum(n) over (${partition}) as whole
    from (${counted}) as counted`;
  const at = percentileColumns(percentiles).map(({ name }, place) => {
    const percent = percentiles.percents[place];
    return `cast(min(value) filter (where upto * 100 >= whole * ${percent}) as bigint) as ${name}`;
  });
  return sql`select ${list(names)} ${sql.raw(at.join(", "))} from (${ranked}) as ranked ${groups}`;
}
