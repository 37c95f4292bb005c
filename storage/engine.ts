import { indexName, type Step } from "./migration.ts";
import { type Column, columnsOf, type Table, type View } from "./table.ts";

/** Where the SQL of the engines differs; everything else is written once, for both. */
export interface Engine {
  readonly text: string;
  /** 32 bits at least, and 64. */
  readonly int: string;
  readonly bigint: string;
  /** Behind nano-USD, makes USD with every digit the engine can show. */
  readonly toUsd: string;
  /** Behind the closing bracket of a table with one column as its key, and of one with several. */
  readonly tableEnd: string;
  readonly listEnd: string;
  /** Rows `table_name`, `column_name` of the tables and views that are there. */
  readonly columnsSql: string;
  /** Rows `name` of the indexes that are there. */
  readonly indexesSql: string;
}

export const SQLITE: Engine = {
  text: "TEXT",
  int: "INTEGER",
  bigint: "INTEGER",
  toUsd: "/ 1000000000.0",
  tableEnd: " STRICT",
  // Most of a row of a list is its key: with a number of its own, as in tables made before, it stands twice.
  listEnd: " STRICT, WITHOUT ROWID",
  columnsSql: "SELECT m.name AS table_name, c.name AS column_name " +
    "FROM sqlite_master AS m, pragma_table_info(m.name) AS c WHERE m.type IN ('table', 'view')",
  indexesSql: "SELECT name FROM sqlite_master WHERE type = 'index'",
};

/** A decimal keeps nine places when multiplied, and fewer when divided. Texts sort by bytes as in SQLite, which also makes their indexes several times faster. */
export const POSTGRES: Engine = {
  text: 'text COLLATE "C"',
  int: "integer",
  bigint: "bigint",
  toUsd: "* 0.000000001",
  tableEnd: "",
  listEnd: "",
  columnsSql: "SELECT table_name::text, column_name::text " +
    "FROM information_schema.columns WHERE table_schema = current_schema()",
  indexesSql: "SELECT indexname::text AS name FROM pg_indexes WHERE schemaname = current_schema()",
};

/** Renders a step of a migration. Names come from the migrations only, so nothing is quoted. */
export function renderStep(step: Step, engine: Engine): string {
  switch (step.do) {
    case "createTable":
      return createTable(step.table, engine);
    case "addColumn":
      return `ALTER TABLE ${step.table} ADD COLUMN ${column(step.column, engine)}`;
    case "createIndex":
      return `CREATE INDEX ${indexName(step.table, step.columns)} ` +
        `ON ${step.table} (${step.columns.join(", ")})`;
    case "createView":
      return createView(step.view, engine);
    case "dataJob":
      return `UPDATE ${step.job.table} SET ${step.job.column} = ${step.job.value}`;
  }
}

function createTable(table: Table, engine: Engine): string {
  const lines = [
    ...columnsOf(table).map((item) => column(item, engine)),
    `PRIMARY KEY (${table.key.join(", ")})`,
  ];
  const end = table.key.length > 1 ? engine.listEnd : engine.tableEnd;
  return `CREATE TABLE ${table.name} (\n  ${lines.join(",\n  ")}\n)${end}`;
}

function column({ name, kind }: Column, engine: Engine): string {
  const isText = kind.startsWith("text");
  const type = isText ? engine.text : kind.startsWith("bigint") ? engine.bigint : engine.int;
  if (kind.endsWith("?")) return `${name} ${type}`;
  return `${name} ${type} NOT NULL DEFAULT ${isText ? "''" : "0"}`;
}

/** A view holds no amount of its own: what an engine makes of the division is never stored. */
function createView({ name, of, columns, usd }: View, { toUsd }: Engine): string {
  const amounts = usd.map((amount) => `${amount} ${toUsd} AS ${amount.replace(/_nusd$/, "_usd")}`);
  return `CREATE VIEW ${name} AS SELECT\n  ${[...columns, ...amounts].join(",\n  ")}\nFROM ${of}`;
}
