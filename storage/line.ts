import { memoOfObject } from "../core/memo.ts";
import { parseJson } from "../core/parse_json.ts";
import type { CallRecord, DecisionRecord, Row } from "../core/record.ts";
import { rowsOfFacts } from "../core/telemetry/fact_rows.ts";
import { MAX_LINE_BYTES } from "./journal_folder.ts";

/** Turns records into lines. The bytes are valid until the next call. */
export interface LineEncoder {
  call(seq: number, record: CallRecord): Uint8Array;
  event(seq: number, table: string, row: Row): Uint8Array;
  /** Of a line past 256 KiB the facts are packed; past that it keeps what every decision has. */
  decision(seq: number, decision: DecisionRecord): Uint8Array;
}

const CUT_TEXT = 512;
const CUT_ROWS = 16;

/**
 * Builds an encoder with one buffer of its own. A line past 256 KiB is cut: first its trace, then all
 * children but attempts and errors, then attempts and texts; `truncated` is 1.
 */
export function createLineEncoder(): LineEncoder {
  const encoder = new TextEncoder();
  const section = memoOfObject(members);

  function callLine(seq: number, record: CallRecord): string {
    const { usage, sections = [], attempts, errors, children } = record;
    const own: Row[] = [usage];
    let shared = "";
    for (const row of sections) {
      if (Object.isFrozen(row)) shared += listed(section(row));
      else own.push(row);
    }
    const tables = { request_attempts: attempts, request_errors: errors, ...children };
    return `{"v":1,"seq":${seq}${listed(joined(own))}${shared}${listed(childTables(tables))}}\n`;
  }
  const buffer = new Uint8Array(MAX_LINE_BYTES);

  function encode(text: string): Uint8Array | null {
    const { read, written } = encoder.encodeInto(text, buffer);
    return read === text.length ? buffer.subarray(0, written) : null;
  }

  return {
    call(seq, record) {
      const whole = encode(callLine(seq, record));
      if (whole) return whole;
      for (const shorten of [withoutTrace, withoutChildren, cut]) {
        const line = encode(callLine(seq, shorten(record)));
        if (line) return line;
      }
      return encode(callLine(seq, bare(record)))!;
    },
    event(seq, table, row) {
      const line = (row: Row) =>
        `{"v":1,"seq":${seq},"table":"${table}","row":{${members(row)}}}\n`;
      return encode(line(row)) ?? encode(line(cutTexts(row)))!;
    },
    decision(seq, decision) {
      for (const shorten of [asItIs, packed, shortened]) {
        const line = encode(decisionLine(seq, shorten(decision)));
        if (line) return line;
      }
      throw new RangeError("Cannot write the row of a decision: it is too long");
    },
  };
}

function decisionLine(seq: number, { requestId, ts, rows, facts }: DecisionRecord): string {
  const own = members({ decision: requestId, ts });
  const text = `{"v":1,"seq":${seq},${own}${listed(childTables(rows))}`;
  return facts === undefined ? `${text}}\n` : `${text},"facts":${facts}}\n`;
}

const DECISIONS = "request_routing_decisions";

const asItIs = (decision: DecisionRecord) => decision;

/** With the rows that its reader would make. */
function packed({ facts, ...decision }: DecisionRecord): DecisionRecord {
  if (facts === undefined) return decision;
  const made = rowsOfFacts(parseJson(facts));
  const own = (decision.rows[DECISIONS] ?? []).map((row) => ({ ...row, ...made.own }));
  return { ...decision, rows: { ...decision.rows, ...made.rows, [DECISIONS]: own } };
}

function shortened({ facts: _, ...decision }: DecisionRecord): DecisionRecord {
  const own = decision.rows[DECISIONS] ?? [];
  return {
    ...decision,
    rows: { [DECISIONS]: own.map((row) => ({ ...cutTexts(row), recorded: 0 })) },
  };
}

/** Members behind others. */
function listed(text: string): string {
  return text === "" ? "" : `,${text}`;
}

/** Tables with their rows as JSON, but for those without rows. */
function childTables(tables: Readonly<Record<string, readonly Row[]>>): string {
  const filled: Record<string, readonly Row[]> = {};
  for (const table in tables) {
    const rows = tables[table]!;
    if (rows.length > 0) filled[table] = rows;
  }
  try {
    return JSON.stringify(filled).slice(1, -1);
  } catch {
    const texts = Object.entries(filled).map(([table, rows]) =>
      `"${table}":[${rows.map((row) => `{${members(row)}}`).join()}]`
    );
    return texts.join();
  }
}

/** What stands between two objects of a list. */
const BETWEEN = "},{";

/** The members of several rows as JSON: one row after the other costs several times as much. */
function joined(rows: readonly Row[]): string {
  return (together(rows) ?? rows.map(members)).filter(Boolean).join();
}

/** The members of each row; `null` where that cannot be told, as a text holds the same characters. */
function together(rows: readonly Row[]): readonly string[] | null {
  try {
    const texts = JSON.stringify(rows).slice(2, -2).split(BETWEEN);
    return texts.length === rows.length ? texts : null;
  } catch {
    return null;
  }
}

/** Nothing in it needs escaping, so that quotes are enough. */
const PLAIN = /^[ !#-[\]-\ud7ff\ue000-\uffff]*$/;

/** The members of a row as JSON, without NULL, which is the default of every column that allows it. */
function members(row: Row): string {
  try {
    return JSON.stringify(row).slice(1, -1);
  } catch {
    return exactMembers(row);
  }
}

/** By hand, as `JSON.stringify` takes no BigInt. */
function exactMembers(row: Row): string {
  let text = "";
  for (const name in row) {
    const value = row[name];
    if (value === undefined || value === null) continue;
    const comma = text === "" ? '"' : ',"';
    if (typeof value !== "string") text += `${comma}${name}":${value}`;
    else if (PLAIN.test(value)) text += `${comma}${name}":"${value}"`;
    else text += `${comma}${name}":${JSON.stringify(value)}`;
  }
  return text;
}

function withoutTrace({ children = {}, ...record }: CallRecord): CallRecord {
  const { request_trace_events: _, ...others } = children;
  return { ...truncated(record), children: others };
}

function withoutChildren({ children: _, ...record }: CallRecord): CallRecord {
  return truncated(record);
}

function truncated(record: CallRecord): CallRecord {
  return { ...record, usage: { ...record.usage, truncated: 1 } };
}

function cut({ usage, sections = [], attempts, errors }: CallRecord): CallRecord {
  return {
    sections: sections.map(cutTexts),
    usage: { ...usage, ...cutTexts(usage), truncated: 1 },
    attempts: attempts.slice(0, CUT_ROWS).map(cutTexts),
    errors: errors.slice(0, 1).map(cutTexts),
  };
}

function bare({ usage, sections = [] }: CallRecord): CallRecord {
  const { request_id, ts, status } = usage;
  const numbers = [usage, ...sections].flatMap(Object.entries).filter(([, value]) =>
    typeof value !== "string"
  );
  const kept = { ...Object.fromEntries(numbers), request_id, ts, status, truncated: 1 };
  return { usage: kept, attempts: [], errors: [] };
}

function cutTexts(row: Row): Row {
  return Object.fromEntries(
    Object.entries(row).map(([name, value]) => [
      name,
      typeof value === "string" ? value.slice(0, CUT_TEXT).toWellFormed() : value,
    ]),
  );
}
