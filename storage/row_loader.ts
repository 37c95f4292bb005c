import type { DatabaseSync, StatementSync } from "node:sqlite";
import { childTables, eventTables, tables } from "./schema.ts";
import { insertRow } from "./sqlite_sql.ts";
import { columnsOf } from "./table.ts";

/** A value that SQLite takes. */
type Value = string | number | bigint | null;
type Members = Record<string, unknown>;

/** A line that no database would take; its content is wrong. */
export class LineError extends Error {
  override readonly name = "LineError";
}

/** What became of a line. */
export interface Loaded {
  readonly inserted: boolean;
  /** Epoch ms at which the call was settled. */
  readonly ts: number;
  readonly seq: number;
  /** Who wrote it; empty when the line does not say. */
  readonly gatewayId: string;
  readonly replica: string;
}

/** Puts parsed lines into their tables. */
export interface RowLoader {
  /** @throws LineError, or what SQLite says */
  load(line: unknown, now: number): Loaded;
}

const FORMAT = 1;
/** Statements kept per table. */
const MAX_SHAPES = 256;

/**
 * Builds a loader with prepared statements for one database. Columns a line leaves out take the
 * default of their column; names that are no column are ignored.
 */
export function createRowLoader(db: DatabaseSync): RowLoader {
  const inserters = new Map([...tables.keys()].map((name) => [name, createInserter(db, name)]));
  const insert = (table: string, row: Members, extra: Members) => inserters.get(table)!(row, extra);

  function loadCall(line: Members, now: number): boolean {
    if (typeof line.request_id !== "string") {
      throw new LineError("Cannot load a call without an id");
    }
    if (!insert("request_usage", line, { ingested_at: now })) return false;
    for (const table of childTables) {
      for (const row of rowsOf(line[table])) insert(table, row, { request_id: line.request_id });
    }
    return true;
  }

  function loadEvent({ table, row }: Members): boolean {
    if (typeof table !== "string" || !eventTables.includes(table) || !isObject(row)) {
      throw new LineError("Cannot load an event of an unknown table");
    }
    return insert(table, row, {});
  }

  return {
    load(line, now) {
      if (!isObject(line) || typeof line.v !== "number" || line.v > FORMAT) {
        throw new LineError("Cannot load a line of an unknown format");
      }
      const inserted = "table" in line ? loadEvent(line) : loadCall(line, now);
      const row = isObject(line.row) ? line.row : line;
      return {
        inserted,
        ts: numberOf(row.settled_at ?? row.ts),
        seq: numberOf(line.seq),
        gatewayId: textOf(row.gateway_id),
        replica: textOf(row.replica),
      };
    },
  };
}

/** Rows with the same names in the same order share a statement. */
interface Shape {
  readonly names: readonly string[];
  /** Which of the names are columns, and the columns added to them. */
  readonly columns: readonly string[];
  readonly statement: StatementSync;
}

/** Inserts a row of one table; tells whether it was new. Members of `extra` win. */
function createInserter(
  db: DatabaseSync,
  table: string,
): (row: Members, extra: Members) => boolean {
  const known = new Set(columnsOf(tables.get(table)!).map(({ name }) => name));
  const shapes = new Map<string, Shape>();
  let last: Shape | undefined;

  function shapeOf(names: readonly string[], extra: Members): Shape {
    if (last && isSame(last.names, names)) return last;
    const key = names.join();
    const shape = shapes.get(key) ?? prepare(names, extra);
    if (shapes.size >= MAX_SHAPES) shapes.clear();
    shapes.set(key, shape);
    return last = shape;
  }

  function prepare(names: readonly string[], extra: Members): Shape {
    const columns = names.filter((name) => known.has(name) && !(name in extra));
    const statement = db.prepare(insertRow(table, [...columns, ...Object.keys(extra)]));
    return { names, columns, statement };
  }

  return (row, extra) => {
    const { columns, statement } = shapeOf(Object.keys(row), extra);
    const values: Value[] = [];
    // SQLite refuses what is no value of a column, and then the line is rejected.
    for (const name of columns) values.push(row[name] as Value);
    for (const name in extra) values.push(extra[name] as Value);
    return Number(statement.run(...values).changes) > 0;
  };
}

function isSame(a: readonly string[], b: readonly string[]): boolean {
  if (a.length !== b.length) return false;
  for (let place = 0; place < a.length; place += 1) if (a[place] !== b[place]) return false;
  return true;
}

function rowsOf(value: unknown): Members[] {
  if (value === undefined) return [];
  if (Array.isArray(value) && value.every(isObject)) return value;
  throw new LineError("Cannot load the rows of a child table");
}

function isObject(value: unknown): value is Members {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function numberOf(value: unknown): number {
  return typeof value === "number" && Number.isSafeInteger(value) ? value : 0;
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}
