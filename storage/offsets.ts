import type { DatabaseSync } from "node:sqlite";
import type { JournalFiles } from "./journal_folder.ts";
import { tables } from "./schema.ts";
import type { Position } from "./segment_reader.ts";
import { moveOffset } from "./sqlite_sql.ts";
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
export const START: Offset = {
  position: { segment: 1, byteOffset: 0 },
  lines: 0,
  rejected: 0,
  lastTs: 0,
  gatewayId: "",
  replica: "",
};

/** The rows of `usage_journal_offsets`. */
export interface Offsets {
  /** {@link START} for a journal that was never shipped. */
  read(journalId: string): Offset;
  /** Moves forward; a place behind the stored one changes nothing. */
  move(journalId: string, journal: JournalFiles, offset: Offset, now: number): void;
}

/** Prepares the statements on one database. */
export function createOffsets(db: DatabaseSync): Offsets {
  const table = tables.get("usage_journal_offsets")!;
  const names = columnsOf(table).map(({ name }) => name);
  const select = db.prepare("SELECT * FROM usage_journal_offsets WHERE journal_id = ?");
  const update = db.prepare(moveOffset(table));

  return {
    read(journalId) {
      const row = select.get(journalId);
      if (!row) return START;
      return {
        position: { segment: Number(row.segment), byteOffset: Number(row.byte_offset) },
        lines: Number(row.lines),
        rejected: Number(row.rejected),
        lastTs: Number(row.last_ts),
        gatewayId: String(row.gateway_id),
        replica: String(row.replica),
      };
    },
    move(journalId, { kind, writer }, offset, now) {
      const row: Readonly<Record<string, string | number>> = {
        journal_id: journalId,
        kind,
        writer,
        gateway_id: offset.gatewayId,
        replica: offset.replica,
        segment: offset.position.segment,
        byte_offset: offset.position.byteOffset,
        lines: offset.lines,
        rejected: offset.rejected,
        last_ts: offset.lastTs,
        updated_at: now,
      };
      update.run(...names.map((name) => row[name] ?? 0));
    },
  };
}
