import type { Queries, Value } from "./database.ts";
import type { JournalFiles } from "./journal_folder.ts";
import { tables } from "./schema.ts";
import type { Position } from "./segment_reader.ts";
import { columnsOf } from "./table.ts";

/** How far a journal is shipped, and what went by. */
export interface Offset {
  readonly position: Position;
  readonly lines: number;
  readonly rejected: number;
  /** Epoch ms of the last line; 0 before the first. */
  readonly lastTs: number;
  readonly gatewayId: string;
  readonly replica: string;
}

/** Where a journal begins. */
const START: Offset = {
  position: { segment: 1, byteOffset: 0 },
  lines: 0,
  rejected: 0,
  lastTs: 0,
  gatewayId: "",
  replica: "",
};

/** Reads how far a journal is shipped; {@link START} for one that never was. */
export async function readOffset(queries: Queries, journalId: string): Promise<Offset> {
  const sql = "SELECT * FROM usage_journal_offsets WHERE journal_id = $1";
  const [row] = await queries.query(sql, journalId);
  if (!row) return START;
  return {
    position: { segment: Number(row.segment), byteOffset: Number(row.byte_offset) },
    lines: Number(row.lines),
    rejected: Number(row.rejected),
    lastTs: Number(row.last_ts),
    gatewayId: String(row.gateway_id),
    replica: String(row.replica),
  };
}

/** Moves the offset of a journal forward; a place behind the stored one changes nothing. */
export async function moveOffset(
  queries: Queries,
  journal: JournalFiles & { readonly journalId: string },
  offset: Offset,
  now: number,
): Promise<void> {
  const row: Readonly<Record<string, Value>> = {
    journal_id: journal.journalId,
    kind: journal.kind,
    writer: journal.writer,
    gateway_id: offset.gatewayId,
    replica: offset.replica,
    segment: offset.position.segment,
    byte_offset: offset.position.byteOffset,
    lines: offset.lines,
    rejected: offset.rejected,
    last_ts: offset.lastTs,
    updated_at: now,
  };
  await queries.query(MOVE, ...NAMES.map((name) => row[name] ?? 0));
}

const NAMES = columnsOf(tables.get("usage_journal_offsets")!).map(({ name }) => name);

const MOVE = `INSERT INTO usage_journal_offsets AS old (${NAMES.join(", ")}) ` +
  `VALUES (${NAMES.map((_, place) => `$${place + 1}`).join(", ")}) ` +
  "ON CONFLICT (journal_id) DO UPDATE SET " +
  NAMES.slice(1).map((name) => `${name} = excluded.${name}`).join(", ") +
  " WHERE (excluded.segment, excluded.byte_offset) > (old.segment, old.byte_offset)";

const DAY_MS = 86_400_000n;

/**
 * Every call settled before is in the database: the oldest shipped position (epoch ms) of the journals
 * that moved within a day of the newest; `null` when nothing was shipped.
 */
export async function completeTo(queries: Queries): Promise<bigint | null> {
  const rows = await queries.query(
    "SELECT last_ts, updated_at FROM usage_journal_offsets WHERE kind = 'requests' AND last_ts > 0",
  );
  const journals = rows.map(({ last_ts, updated_at }) => ({
    lastTs: BigInt(last_ts ?? 0),
    updatedAt: BigInt(updated_at ?? 0),
  }));
  const newest = journals.reduce((max, { updatedAt }) => updatedAt > max ? updatedAt : max, 0n);
  return journals.filter(({ updatedAt }) => updatedAt > newest - DAY_MS)
    .reduce<bigint | null>((min, { lastTs }) => min === null || lastTs < min ? lastTs : min, null);
}
