import type { Step } from "./migration.ts";
import { type Column, columnsOf, type Table } from "./table.ts";

/** Renders a step to SQLite. Names come from the migrations only, so nothing is quoted. */
export function sqliteStep(step: Step): string {
  switch (step.do) {
    case "createTable":
      return createTable(step.table);
    case "addColumn":
      return `ALTER TABLE ${step.table} ADD COLUMN ${column(step.column)}`;
    case "createIndex":
      return `CREATE INDEX idx_${step.table}_${step.columns.join("_")} ` +
        `ON ${step.table} (${step.columns.join(", ")})`;
  }
}

/** Renders the insert of a row with these columns; a row that is there already stays as it is. */
export function insertRow(table: string, columns: readonly string[]): string {
  const places = columns.map(() => "?").join(", ");
  return `INSERT INTO ${table} (${columns.join(", ")}) VALUES (${places}) ON CONFLICT DO NOTHING`;
}

/** Renders the move of a journal's offset, which only goes forward. Places: the columns in order. */
export function moveOffset(table: Table): string {
  const names = columnsOf(table).map(({ name }) => name);
  const changes = names.filter((name) => !table.key.includes(name))
    .map((name) => `${name} = excluded.${name}`);
  return `INSERT INTO ${table.name} AS old (${names.join(", ")}) ` +
    `VALUES (${names.map(() => "?").join(", ")}) ` +
    `ON CONFLICT (${table.key.join(", ")}) DO UPDATE SET ${changes.join(", ")} ` +
    "WHERE (excluded.segment, excluded.byte_offset) > (old.segment, old.byte_offset)";
}

function createTable(table: Table): string {
  const lines = [
    ...columnsOf(table).map(column),
    `PRIMARY KEY (${table.key.join(", ")})`,
  ];
  return `CREATE TABLE ${table.name} (\n  ${lines.join(",\n  ")}\n) STRICT`;
}

function column({ name, kind }: Column): string {
  const type = kind.startsWith("text") ? "TEXT" : "INTEGER";
  if (kind.endsWith("?")) return `${name} ${type}`;
  return `${name} ${type} NOT NULL DEFAULT ${type === "TEXT" ? "''" : "0"}`;
}
