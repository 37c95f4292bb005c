import { hash } from "node:crypto";
import { canonicalJson } from "../core/config/canonical.ts";
import type { Column, Table, View } from "./table.ts";

/** One change of the schema, as data; each engine renders it to its own SQL. */
export type Step =
  | { readonly do: "createTable"; readonly table: Table }
  | { readonly do: "addColumn"; readonly table: string; readonly column: Column }
  | { readonly do: "createIndex"; readonly table: string; readonly columns: readonly string[] }
  | { readonly do: "createView"; readonly view: View }
  | { readonly do: "dataJob"; readonly job: DataJob };

/** Fills a column of rows that are there, in batches and after the migration: it may take hours. */
export interface DataJob {
  /** Of its own among all jobs. */
  readonly id: string;
  readonly table: string;
  /** A text column of the primary key, by which it proceeds. */
  readonly key: string;
  readonly column: string;
  /** SQL that both engines understand; the same result when it is run again. */
  readonly value: string;
}

/** Steps that are applied together, once, and recorded in `schema_migrations`. */
export interface Migration {
  /** From 1, without gaps. */
  readonly id: number;
  readonly name: string;
  /** True when the previous release can still read and write the result. */
  readonly backwardCompatible: boolean;
  /** True when it only adds, and at once whatever the tables hold: it may be applied at a start. */
  readonly safe: boolean;
  readonly steps: readonly Step[];
}

/** Declares a migration. */
export function migration(definition: Migration): Migration {
  return definition;
}

/** The step that creates a table. */
export function createTable(table: Table): Step {
  return { do: "createTable", table };
}

/** The step that adds a column at its default to every row. */
export function addColumn(table: string, column: Column): Step {
  return { do: "addColumn", table, column };
}

/** The step that creates the index `idx_<table>_<columns>` of at most 63 characters. */
export function createIndex(table: string, columns: readonly string[]): Step {
  return { do: "createIndex", table, columns };
}

/** The step that creates a view. */
export function createView(view: View): Step {
  return { do: "createView", view };
}

/** The step that fills a column; its migration is not `safe`. */
export function dataJob(job: DataJob): Step {
  return { do: "dataJob", job };
}

/** The name of an index. */
export function indexName(table: string, columns: readonly string[]): string {
  return `idx_${table}_${columns.join("_")}`;
}

/** Lower-case hex SHA-256 over the canonical JSON (sorted keys) of the steps. */
export function checksum({ steps }: Migration): string {
  return hash("sha256", canonicalJson(steps), "hex");
}

/** The schema of a database cannot be worked with; `code` is a fixed word. */
export class SchemaError extends Error {
  override readonly name = "SchemaError";

  constructor(
    readonly code:
      | "migration-checksum-mismatch"
      | "migration-locked"
      | "migration-newer"
      | "migration-pending",
    message: string,
  ) {
    super(message);
  }
}
