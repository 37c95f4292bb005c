import type { DatabaseSync } from "node:sqlite";
import { findJournals, type JournalFiles, readState, segmentsOf } from "./journal_folder.ts";
import { parseLine } from "./line_parser.ts";
import { createOffsets } from "./offsets.ts";
import { createSegmentReader, type Position } from "./segment_reader.ts";
import type { TimeWindow } from "./time_window.ts";

/** Rows, tokens and cost (nano-USD) of some calls. */
export interface Sums {
  readonly rows: number;
  readonly tokens: bigint;
  readonly costNusd: bigint;
}

/** How the journal and the database compare. */
export interface Verdict {
  /** Of the lines that are shipped, and of the rows they became. */
  readonly journal: Sums;
  readonly database: Sums;
  /** Ids in the journal and not, or with other numbers, in the database. */
  readonly missing: readonly string[];
  readonly different: readonly string[];
  /** Rows of the window that are in no segment that is left. */
  readonly extra: number;
  /** Whether segments were removed, so that `extra` is to be expected. */
  readonly segmentsRemoved: boolean;
  /** Lines that are not shipped yet, and lines that are no calls. */
  readonly waiting: number;
  readonly unreadable: number;
}

/** A call as both sides know it. */
interface Call {
  readonly id: string;
  readonly ts: number;
  readonly tokens: bigint;
  readonly costNusd: bigint;
}

const LIMITS = { lines: 1_000, bytes: 4 * 1024 * 1024 };

/** Whether nothing is missing, changed or left over. */
export function isEqual(
  { missing, different, extra, segmentsRemoved, unreadable }: Verdict,
): boolean {
  const surplus = segmentsRemoved ? 0 : extra;
  return missing.length + different.length + surplus + unreadable === 0;
}

/**
 * Compares every line of the call journals with its row, by id. Without a window: all lines.
 *
 * @throws what SQLite or the file system says
 */
export function verify(
  db: DatabaseSync,
  path: string,
  window: TimeWindow | null,
): Verdict {
  const { from, to } = window ?? { from: 0, to: Number.MAX_SAFE_INTEGER };
  const find = rowFinder(db);
  const journal = { rows: 0, tokens: 0n, costNusd: 0n };
  const database = { rows: 0, tokens: 0n, costNusd: 0n };
  const missing: string[] = [];
  const different: string[] = [];
  const seen = new Set<string>();
  let waiting = 0;
  let unreadable = 0;
  let segmentsRemoved = false;

  for (const files of findJournals(path).filter(({ kind }) => kind === "requests")) {
    segmentsRemoved ||= (segmentsOf(files)[0]?.number ?? 1) > 1;
    const shipped = shippedTo(db, files);
    for (const { call, end } of callsOf(files)) {
      const row = call ? find(call.id) : null;
      if (!row && isAfter(end, shipped)) waiting += 1;
      else if (!call) unreadable += 1;
      else if (call.ts >= from && call.ts < to && !seen.has(call.id)) {
        seen.add(call.id);
        add(journal, call);
        if (row) add(database, row);
        if (!row) missing.push(call.id);
        else if (!isSame(call, row)) different.push(call.id);
      }
    }
  }
  const extra = countRows(db, from, to) - database.rows;
  return { journal, database, missing, different, extra, segmentsRemoved, waiting, unreadable };
}

function* callsOf(files: JournalFiles): Generator<{ call: Call | null; end: Position }> {
  const reader = createSegmentReader(LIMITS);
  const decoder = new TextDecoder();
  let place: Position = { segment: 1, byteOffset: 0 };
  for (;;) {
    const { lines, next } = reader.read(files, place);
    if (lines.length === 0) return;
    for (const { bytes, end } of lines) yield { call: readCall(decoder.decode(bytes)), end };
    place = next;
  }
}

function readCall(text: string): Call | null {
  try {
    const line = parseLine(text) as Readonly<Record<string, unknown>>;
    if (typeof line.request_id !== "string") return null;
    return {
      id: line.request_id,
      ts: Number(line.ts ?? 0),
      tokens: integer(line.total_tokens),
      costNusd: integer(line.total_cost_nusd),
    };
  } catch {
    return null;
  }
}

function rowFinder(db: DatabaseSync): (id: string) => Call | null {
  const statement = db.prepare(
    "SELECT ts, total_tokens, total_cost_nusd FROM request_usage WHERE request_id = ?",
  );
  statement.setReadBigInts(true);
  return (id) => {
    const row = statement.get(id);
    if (!row) return null;
    const { ts, total_tokens, total_cost_nusd } = row;
    return {
      id,
      ts: Number(ts),
      tokens: integer(total_tokens),
      costNusd: integer(total_cost_nusd),
    };
  };
}

function shippedTo(db: DatabaseSync, files: JournalFiles): Position {
  const state = readState(files);
  return createOffsets(db).read(state?.journalId ?? "").position;
}

function countRows(db: DatabaseSync, from: number, to: number): number {
  const sql = "SELECT count(*) AS n FROM request_usage WHERE ts >= ? AND ts < ?";
  return Number(db.prepare(sql).get(from, to)?.n ?? 0);
}

function isAfter(a: Position, b: Position): boolean {
  return a.segment > b.segment || (a.segment === b.segment && a.byteOffset > b.byteOffset);
}

function isSame(a: Call, b: Call): boolean {
  return a.ts === b.ts && a.tokens === b.tokens && a.costNusd === b.costNusd;
}

function add(sums: { rows: number; tokens: bigint; costNusd: bigint }, call: Call): void {
  sums.rows += 1;
  sums.tokens += call.tokens;
  sums.costNusd += call.costNusd;
}

/** Absent and NULL are 0 here; a wrong kind of value throws, and the line is unreadable. */
function integer(value: unknown): bigint {
  return BigInt((value ?? 0) as bigint);
}
