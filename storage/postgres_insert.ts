import type { NewRow, Value } from "./database.ts";
import { tables } from "./schema.ts";
import { columnsOf, type Kind } from "./table.ts";

/** A statement with one array per column. */
export interface ArrayInsert {
  readonly text: string;
  /** Array literals in the order of the places. */
  readonly parameters: string[];
}

/**
 * Renders the insert of many rows: one array per column that any of them names, unfolded by the server.
 * A statement with a place per value would be limited to 65,535 of them and is parsed far slower.
 */
export function insertSql(table: string, rows: readonly NewRow[]): ArrayInsert {
  const shapes = shapesOf(rows);
  const columns = columnsOf(tables.get(table)!)
    .filter(({ name }) => shapes.some(({ place }) => place.has(name)));
  const names = columns.map(({ name }) => name).join(", ");
  const arrays = columns.map(({ kind }, place) => `$${place + 1}::${typeOf(kind)}[]`).join(", ");
  return {
    text: `INSERT INTO ${table} (${names}) SELECT * FROM unnest(${arrays}) ON CONFLICT DO NOTHING`,
    parameters: columns.map(({ name, kind }) => arrayLiteral(shapes, name, kind)),
  };
}

/** Rows in a row that share their names. */
interface Shape {
  readonly place: ReadonlyMap<string, number>;
  readonly rows: NewRow[];
}

function shapesOf(rows: readonly NewRow[]): Shape[] {
  const places = new Map<readonly string[], Shape["place"]>();
  const shapes: Shape[] = [];
  let columns: readonly string[] | undefined;
  for (const row of rows) {
    if (row.columns !== columns) {
      columns = row.columns;
      let place = places.get(columns);
      if (!place) places.set(columns, place = new Map(columns.map((name, at) => [name, at])));
      shapes.push({ place, rows: [] });
    }
    shapes.at(-1)!.rows.push(row);
  }
  return shapes;
}

/** The literal of one column's array; rows that do not name it get its default. */
function arrayLiteral(shapes: readonly Shape[], name: string, kind: Kind): string {
  const literal = kind.startsWith("text") ? textLiteral : integerLiteral;
  const missing = kind.endsWith("?") ? "NULL" : kind === "text" ? '""' : "0";
  const items: string[] = [];
  for (const { place, rows } of shapes) {
    const at = place.get(name);
    for (const { values } of rows) items.push(at === undefined ? missing : literal(values[at]!));
  }
  return `{${items.join(",")}}`;
}

function integerLiteral(value: Value): string {
  return value === null ? "NULL" : String(value);
}

const SPECIAL = /["\\]/;

function textLiteral(value: Value): string {
  if (value === null) return "NULL";
  const text = String(value);
  return `"${SPECIAL.test(text) ? text.replace(/["\\]/g, "\\$&") : text}"`;
}

function typeOf(kind: Kind): string {
  if (kind.startsWith("text")) return "text";
  return kind.startsWith("bigint") ? "bigint" : "integer";
}
