import type { Column, Table } from "./table.ts";

/** One change of the schema, as data; each engine renders it to its own SQL. */
export type Step =
  | { readonly do: "createTable"; readonly table: Table }
  | { readonly do: "addColumn"; readonly table: string; readonly column: Column }
  | { readonly do: "createIndex"; readonly table: string; readonly columns: readonly string[] };

/** Steps that are applied together, once, and recorded in `schema_migrations`. */
export interface Migration {
  /** From 1, without gaps. */
  readonly id: number;
  readonly name: string;
  /** True when the previous release can still read and write the result. */
  readonly backwardCompatible: boolean;
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

/** The step that creates the index `idx_<table>_<columns>`. */
export function createIndex(table: string, columns: readonly string[]): Step {
  return { do: "createIndex", table, columns };
}

/** Lower-case hex SHA-256 over the canonical JSON (sorted keys) of the steps. */
export async function checksum({ steps }: Migration): Promise<string> {
  const bytes = new TextEncoder().encode(JSON.stringify(sorted(steps)));
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).toHex();
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).toSorted(([a], [b]) => a < b ? -1 : 1);
  return Object.fromEntries(entries.map(([key, item]) => [key, sorted(item)]));
}
