import { type Json, textOrEmpty } from "../core/json.ts";
import { parseJson } from "../core/parse_json.ts";
import type { NewRow } from "./database.ts";
import { type FactRows, rowsOfFacts } from "../core/telemetry/fact_rows.ts";
import { parseExactly } from "./line_parser.ts";
import { createRowReader, LineError, type Members, type RowReader } from "./row_reader.ts";
import { childTables, eventTables, tables } from "./schema.ts";

/** What a line becomes. */
export interface LineRows {
  /** Rows by table; the first is the line's own, the others are its children. */
  readonly rows: readonly (readonly [table: string, row: NewRow])[];
  /** Epoch ms at which the call was settled. */
  readonly ts: number;
  readonly seq: number;
  /** Who wrote it; empty when the line does not say. */
  readonly gatewayId: string;
  readonly replica: string;
}

const DECISIONS = "request_routing_decisions";

/** Columns that a child has in common with its call, by table and name; the line says them once. */
const COMMON: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  [DECISIONS]: {
    ts: "ts",
    group_name: "resolved_group",
    strategy: "strategy",
    config_fingerprint: "routing_config_fingerprint",
  },
  request_shapes: sameNames("ts", "inbound_dialect", "requested_model", "resolved_group", "client"),
  request_token_estimates: sameNames("ts", "inbound_dialect", "requested_model", "resolved_group"),
};

const FORMAT = 1;
/** As JSON writes it. */
const NUL = "\\u0000";

/**
 * Builds the reader of lines; `now` is epoch ms, for `ingested_at`. Columns a line leaves out take their
 * default.
 *
 * @throws LineError or SyntaxError (the reader)
 */
export function createLineReader(): (text: string, now: number) => LineRows {
  const readers = new Map<string, RowReader>(
    ["request_usage", ...childTables, ...eventTables]
      .map((name) => [name, createRowReader(tables.get(name)!)]),
  );
  const read = (table: string, members: Members, isExact: boolean) =>
    [table, readers.get(table)!(members, isExact)] as const;

  function callRows(line: Members, { now, isExact }: Reading) {
    const { request_id } = line;
    if (typeof request_id !== "string") throw new LineError("Cannot load a call without an id");
    line.ingested_at = now;
    return [read("request_usage", line, isExact), ...childRows(line, request_id, isExact)];
  }

  function childRows(line: Members, requestId: string, isExact: boolean) {
    const rows: ReturnType<typeof read>[] = [];
    for (const table of childTables) {
      if (!(table in line)) continue;
      for (const row of rowsOf(line[table])) {
        row.request_id = requestId;
        completed(row, line, COMMON[table]);
        rows.push(read(table, row, isExact));
      }
    }
    return rows;
  }

  function ownRows(line: Members, reading: Reading) {
    const { facts, isExact } = reading;
    if ("table" in line) return [read(...eventOf(line), isExact)];
    if (typeof line.decision !== "string") return callRows(line, reading);
    if ("facts" in line) addFactRows(line, facts());
    return childRows(line, line.decision, isExact);
  }

  function rowsOfLine(line: unknown, reading: Reading): LineRows {
    if (!isObject(line) || typeof line.v !== "number" || line.v > FORMAT) {
      throw new LineError("Cannot load a line of an unknown format");
    }
    const own = "table" in line ? eventOf(line)[1] : line;
    return {
      rows: ownRows(line, reading),
      ts: numberOf(own.settled_at ?? own.ts),
      seq: numberOf(line.seq),
      gatewayId: textOrEmpty(own.gateway_id),
      replica: textOrEmpty(own.replica),
    };
  }

  const exactly = (text: string, now: number) =>
    rowsOfLine(parseExactly(text), {
      now,
      isExact: true,
      facts: () => parseJson(text).facts,
    });

  return (text, now) => {
    if (text.includes(NUL)) return exactly(text, now);
    try {
      const line = parseJson(text);
      return rowsOfLine(line, { now, isExact: false, facts: () => line.facts });
    } catch (error) {
      // A number past the safe integers, or past its column, was refused: it is read again digit by digit.
      if (error instanceof LineError) return exactly(text, now);
      throw error;
    }
  };
}

/** What reading a line needs beside it. */
interface Reading {
  /** Epoch ms. */
  readonly now: number;
  /** Whether every digit is there, so that a number that does not fit is one that nothing makes fit. */
  readonly isExact: boolean;
  /** As they were written: a decision is made again from every character, and from no digit more. */
  facts(): Json;
}

/**
 * Gives the line of a decision the rows that its facts stand for.
 *
 * @throws LineError
 */
function addFactRows(line: Members, facts: Json): void {
  const made = factRows(facts);
  for (const row of rowsOf(line[DECISIONS])) Object.assign(row, made.own);
  Object.assign(line, made.rows);
}

function factRows(facts: Json): FactRows {
  try {
    return rowsOfFacts(facts);
  } catch (cause) {
    throw new LineError("Cannot load the facts of a decision", { cause });
  }
}

function sameNames(...names: readonly string[]): Readonly<Record<string, string>> {
  return Object.fromEntries(names.map((name) => [name, name]));
}

/** Gives a row what it leaves out and the line of its call says. */
function completed(
  row: Members,
  line: Members,
  columns: Readonly<Record<string, string>> = {},
): void {
  for (const name in columns) {
    const value = line[columns[name]!];
    if (value !== undefined && !(name in row)) row[name] = value;
  }
}

function eventOf({ table, row }: Members): readonly [string, Members] {
  if (typeof table === "string" && eventTables.includes(table) && isObject(row)) {
    return [table, row];
  }
  throw new LineError("Cannot load an event of an unknown table");
}

function rowsOf(value: unknown): Members[] {
  if (Array.isArray(value) && value.every(isObject)) return value;
  throw new LineError("Cannot load the rows of a child table");
}

function isObject(value: unknown): value is Members {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function numberOf(value: unknown): number {
  return typeof value === "number" && Number.isSafeInteger(value) ? value : 0;
}
