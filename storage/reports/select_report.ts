import { type RawBuilder, sql } from "kysely";
import type { Queries } from "../database.ts";
import { run } from "../queries.ts";
import type { Chart, Report, ReportColumn, ReportFilter, ReportRow, Sort } from "./report.ts";

/** A report that is one statement. */
export interface SelectReport {
  readonly id: string;
  readonly title: string;
  readonly isDefault?: boolean;
  readonly columns: readonly ReportColumn[];
  readonly sort: Sort;
  /** Rows with the names of the columns, in any order and of any number. */
  select(filter: ReportFilter): RawBuilder<unknown>;
  charts?(rows: readonly ReportRow[]): readonly Chart[];
}

/** Builds the report: rows are ranked and cut by the database. */
export function selectReport(
  { select, sort, isDefault = false, charts = () => [], ...rest }: SelectReport,
): Report {
  return {
    ...rest,
    isDefault,
    charts,
    query: (db, filter) => ranked(db, select(filter), { filter, sort, columns: rest.columns }),
  };
}

/** Ranks the rows of a statement as the filter says, else as usual; equal ones by their other columns. */
export async function ranked(
  db: Queries,
  select: RawBuilder<unknown>,
  { filter, sort, columns }: {
    readonly filter: ReportFilter;
    readonly sort: Sort;
    readonly columns: readonly ReportColumn[];
  },
): Promise<ReportRow[]> {
  const isOwn = columns.some(({ name }) => name === filter.sort?.by);
  const { by, direction } = filter.sort && isOwn ? filter.sort : sort;
  const names = columns.map(({ name }) => name);
  const ties = names.filter((name) => name !== by);
  const order = [`${by} ${direction} nulls last`, ...ties.map((name) => `${name} nulls last`)];
  const statement = sql<ReportRow>`select ${sql.raw(names.join(", "))} from (${select}) as t
    order by ${sql.raw(order.join(", "))} limit ${BigInt(filter.limit)}`;
  const rows = await run(db, statement);
  return rows.map((row) => withAmounts(row, columns));
}

/** Amounts are bigint, whatever the database made of those that 64 bits do not hold. */
function withAmounts(row: ReportRow, columns: readonly ReportColumn[]): ReportRow {
  const all = { ...row };
  for (const { name, format } of columns) {
    const value: unknown = all[name];
    if (format !== "nusd" && format !== "count") continue;
    if (typeof value === "number") all[name] = BigInt(Math.round(value));
    else if (typeof value === "string") all[name] = BigInt(value);
  }
  return all;
}
