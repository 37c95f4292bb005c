import type { BaselinePrices } from "../../core/snapshot.ts";
import type { Queries } from "../database.ts";

/**
 * How a value of a column is shown. `nusd` is nano-USD, `share` parts of a million, `time` epoch ms,
 * `rate` tokens per second.
 */
export type Format = "text" | "count" | "ms" | "us" | "nusd" | "share" | "time" | "rate";

/** A column of a report. */
export interface ReportColumn {
  readonly name: string;
  readonly title: string;
  readonly format: Format;
  /** Left out of tables when it is unknown in every row. */
  readonly isOptional?: true;
}

/** Declares a column. */
export function column(name: string, title: string, format: Format = "text"): ReportColumn {
  return { name, title, format };
}

/** A value of a report; NULL is unknown. */
export type Cell = string | bigint | null;

/** A row of a report, by column name. */
export type ReportRow = Readonly<Record<string, Cell>>;

/** A column by which rows are ranked. */
export interface Sort {
  readonly by: string;
  readonly direction: "asc" | "desc";
}

/** Which calls a report is about. */
export interface ReportFilter {
  /** Half-open, epoch ms. */
  readonly from: number;
  readonly to: number;
  /** Rows per table. */
  readonly limit: number;
  /** `null`: each section's own. */
  readonly sort: Sort | null;
  /** Columns of `request_usage` and the values they must have. */
  readonly labels: Readonly<Record<string, string>>;
  /** Status codes from the first to the last, both included; `null`: all. */
  readonly status: readonly [first: number, last: number] | null;
  readonly tokenIdPrefix: string | null;
  readonly trafficShapedOnly: boolean;
  /** What savings are measured against. */
  readonly baseline: BaselinePrices | null;
}

/** Numbers over time; the points are in order. */
export interface Chart {
  readonly title: string;
  readonly format: Format;
  readonly points: readonly { readonly at: bigint; readonly value: bigint }[];
}

/** A section: every form of output renders it, so that their numbers agree. */
export interface Report {
  readonly id: string;
  readonly title: string;
  /** Whether it is printed when no section is named. */
  readonly isDefault: boolean;
  /** Whether it can be printed only with a baseline. */
  readonly needsBaseline?: true;
  readonly columns: readonly ReportColumn[];
  query(db: Queries, filter: ReportFilter): Promise<ReportRow[]>;
  charts(rows: readonly ReportRow[]): readonly Chart[];
}

/** What stands above the sections. */
export interface ReportHead {
  readonly filter: ReportFilter;
  readonly calls: bigint;
  readonly unpriced: bigint;
  /** Every call settled before is in the database; epoch ms, `null` when nothing was shipped. */
  readonly completeTo: bigint | null;
  /** Whether percentiles are interpolated, as rollups stand for some calls of the window. */
  readonly isInterpolated: boolean;
}

/** A section with its rows. */
export interface Section {
  readonly report: Report;
  readonly rows: readonly ReportRow[];
}
