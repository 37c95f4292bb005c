import type { Queries } from "./database.ts";
import { findJournals, type JournalFiles, readState, segmentsOf } from "./journal_folder.ts";
import { parseExactly } from "./line_parser.ts";
import { readOffset } from "./offsets.ts";
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
  /** Rows of the window that are in no segment here. */
  readonly extra: number;
  /** Whose rows these may be, so that they are to be expected; `null`: nobody's. */
  readonly extraOf: "removed segments" | "other journals" | null;
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
  { missing, different, extra, extraOf, unreadable }: Verdict,
): boolean {
  const surplus = extraOf === null ? extra : 0;
  return missing.length + different.length + surplus + unreadable === 0;
}

/**
 * Compares every line of the call journals with its row, by id. Without a window: all lines.
 *
 * @throws what the database or the file system says
 */
export async function verify(
  db: Queries,
  path: string,
  window: TimeWindow | null,
): Promise<Verdict> {
  const { from, to } = window ?? { from: 0, to: Number.MAX_SAFE_INTEGER };
  const journal = { rows: 0, tokens: 0n, costNusd: 0n };
  const database = { rows: 0, tokens: 0n, costNusd: 0n };
  const missing: string[] = [];
  const different: string[] = [];
  const seen = new Set<string>();
  let waiting = 0;
  let unreadable = 0;
  // Before a line is read: a row that a gateway ships meanwhile must not look left over.
  const rows = await countRows(db, from, to);
  const journals = findJournals(path).filter(({ kind }) => kind === "requests");

  for (const files of journals) {
    const shipped = await shippedTo(db, files);
    for await (const { call, row, end } of pairsOf(db, files)) {
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
  const extra = Math.max(0, rows - database.rows);
  const extraOf = await ownersBeside(db, journals);
  return { journal, database, missing, different, extra, extraOf, waiting, unreadable };
}

/** Whose rows a database has that no segment here tells of: ours once, or those of other replicas. */
async function ownersBeside(
  db: Queries,
  journals: readonly JournalFiles[],
): Promise<Verdict["extraOf"]> {
  if (journals.some((files) => (segmentsOf(files)[0]?.number ?? 1) > 1)) return "removed segments";
  const own = new Set(journals.map((files) => readState(files)?.journalId));
  const known = await db.query(
    "SELECT journal_id FROM usage_journal_offsets WHERE kind = 'requests'",
  );
  const others = known.some(({ journal_id }) => !own.has(String(journal_id)));
  return others ? "other journals" : null;
}

/** Each line of a journal with the row it became. */
async function* pairsOf(
  db: Queries,
  files: JournalFiles,
): AsyncGenerator<{ call: Call | null; row: Call | null; end: Position }> {
  const reader = createSegmentReader(LIMITS);
  const decoder = new TextDecoder();
  let place: Position = { segment: 1, byteOffset: 0 };
  for (;;) {
    const { lines, next } = reader.read(files, place);
    if (lines.length === 0) return;
    const read = lines.map(({ bytes, end }) => ({ call: readCall(decoder.decode(bytes)), end }));
    const rows = await findRows(db, read.flatMap(({ call }) => call?.id ?? []));
    for (const { call, end } of read) yield { call, row: rows.get(call?.id ?? "") ?? null, end };
    place = next;
  }
}

function readCall(text: string): Call | null {
  try {
    const line = parseExactly(text) as Readonly<Record<string, unknown>>;
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

async function findRows(db: Queries, ids: readonly string[]): Promise<Map<string, Call>> {
  if (ids.length === 0) return new Map();
  const places = ids.map((_, place) => `$${place + 1}`).join(", ");
  const rows = await db.query(
    "SELECT request_id, ts, total_tokens, total_cost_nusd FROM request_usage " +
      `WHERE request_id IN (${places})`,
    ...ids,
  );
  return new Map(rows.map((row) => {
    const id = String(row.request_id);
    const [tokens, costNusd] = [integer(row.total_tokens), integer(row.total_cost_nusd)];
    return [id, { id, ts: Number(row.ts), tokens, costNusd }];
  }));
}

async function shippedTo(db: Queries, files: JournalFiles): Promise<Position> {
  return (await readOffset(db, readState(files)?.journalId ?? "")).position;
}

async function countRows(db: Queries, from: number, to: number): Promise<number> {
  const sql = "SELECT count(*) AS n FROM request_usage WHERE ts >= $1 AND ts < $2";
  const [row] = await db.query(sql, from, to);
  return Number(row?.n ?? 0);
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
