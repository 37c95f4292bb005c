import type { Queries } from "./database.ts";

/** How a value of a column is shown; `nusd` is nano-USD. */
export type Format = "text" | "count" | "ms" | "nusd";

/** A column of a report. */
export interface ReportColumn {
  readonly name: string;
  readonly title: string;
  readonly format: Format;
}

/** A value of a report; NULL is unknown. */
export type Cell = string | bigint | null;

/** A row of a report, by column name. */
export type ReportRow = Readonly<Record<string, Cell>>;

/** Which rows a report is about. */
export interface ReportFilter {
  /** Half-open, epoch ms. */
  readonly from: number;
  readonly to: number;
  /** Rows per table. */
  readonly limit: number;
}

/** A section: every form of output renders it, so that their numbers agree. */
export interface Report {
  readonly id: string;
  readonly title: string;
  readonly columns: readonly ReportColumn[];
  query(db: Queries, filter: ReportFilter): Promise<ReportRow[]>;
}

/** What stands above the sections. */
export interface ReportHead {
  readonly filter: ReportFilter;
  readonly calls: bigint;
  readonly unpriced: bigint;
  /** Every call settled before is in the database; epoch ms, `null` when nothing was shipped. */
  readonly completeTo: bigint | null;
}

/** A section with its rows. */
export interface Section {
  readonly report: Report;
  readonly rows: readonly ReportRow[];
}
