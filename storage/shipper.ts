import type { DatabaseSync } from "node:sqlite";
import type { ShipCounts } from "../core/record.ts";
import {
  findJournals,
  type JournalFiles,
  newJournalId,
  readState,
  segmentsOf,
  sideFiles,
  writeState,
} from "./journal_folder.ts";
import { parseLine } from "./line_parser.ts";
import { createOffsets, type Offset, type Offsets } from "./offsets.ts";
import { createRowLoader, LineError, type RowLoader } from "./row_loader.ts";
import {
  bytesAfter,
  createSegmentReader,
  type Line,
  type SegmentReader,
} from "./segment_reader.ts";
import { isContentError, transaction } from "./sqlite.ts";

/** Carries lines of journals into the database. */
export interface Shipper {
  /**
   * Ships one batch of each journal.
   *
   * @returns whether there was one
   * @throws what SQLite says, when it is not the content of a line
   */
  step(): boolean;
  /** Bytes of all journals that are not shipped. */
  unshippedBytes(): number;
  /** Removes segments that are shipped and beyond what is kept. */
  removeShipped(): void;
  readonly counts: ShipCounts;
}

/** What a shipper needs. */
export interface ShipperOptions {
  readonly db: DatabaseSync;
  /** `logging.path`: its folder holds the journals. */
  readonly path: string;
  readonly batchLines: number;
  /** Shipped segments of a call journal that stay; `null`: nothing is removed. */
  readonly keep: number | null;
  /** Epoch ms. */
  now(): number;
  /** Told of each line that went to the rejected file; never of its content. */
  onRejected(journal: string, reason: string): void;
}

/** A journal on its way into the database. */
interface Cursor {
  readonly files: JournalFiles;
  readonly journalId: string;
  offset: Offset;
  lastSeq: number;
}

const BATCH_BYTES = 4 * 1024 * 1024;

/** Builds a shipper on an open, migrated database. */
export function createShipper(options: ShipperOptions): Shipper {
  return new FolderShipper(options);
}

class FolderShipper implements Shipper {
  readonly counts = { inserted: 0, duplicate: 0, rejected: 0, gaps: 0 };
  readonly #options: ShipperOptions;
  readonly #loader: RowLoader;
  readonly #offsets: Offsets;
  readonly #reader: SegmentReader;
  readonly #decode = createDecode();
  readonly #cursors = new Map<string, Cursor>();

  constructor(options: ShipperOptions) {
    this.#options = options;
    this.#loader = createRowLoader(options.db);
    this.#offsets = createOffsets(options.db);
    this.#reader = createSegmentReader({ lines: options.batchLines, bytes: BATCH_BYTES });
  }

  step(): boolean {
    const journals = findJournals(this.#options.path);
    return journals.map((files) => this.#shipBatch(this.#cursorOf(files))).includes(true);
  }

  unshippedBytes(): number {
    let bytes = 0;
    for (const { files, offset } of this.#cursors.values()) {
      bytes += bytesAfter(files, offset.position);
    }
    return bytes;
  }

  removeShipped(): void {
    const { db, keep } = this.#options;
    if (keep === null) return;
    const gone = [...this.#cursors.values()].flatMap((cursor) => removable(cursor, keep));
    if (gone.length === 0) return;
    // A commit may still be lost with the power under synchronous=NORMAL; a checkpoint is not.
    db.exec("PRAGMA wal_checkpoint(FULL)");
    for (const path of gone) removeFile(path);
  }

  #cursorOf(files: JournalFiles): Cursor {
    const known = this.#cursors.get(files.stem);
    const journalId = readState(files)?.journalId ?? known?.journalId ??
      adopt(files, this.#options.now());
    if (known?.journalId === journalId) return known;
    const cursor = { files, journalId, offset: this.#offsets.read(journalId), lastSeq: 0 };
    this.#cursors.set(files.stem, cursor);
    return cursor;
  }

  #shipBatch(cursor: Cursor): boolean {
    const { lines, next } = this.#reader.read(cursor.files, cursor.offset.position);
    if (lines.length > 0) this.#load(cursor, lines);
    else cursor.offset = { ...cursor.offset, position: next };
    return lines.length > 0;
  }

  /** Halves what is refused for its content, until one line is left. */
  #load(cursor: Cursor, lines: readonly Line[]): void {
    try {
      const done = transaction(
        this.#options.db,
        "IMMEDIATE",
        () => this.#insert(cursor, lines),
      );
      this.counts.inserted += done.inserted;
      this.counts.duplicate += lines.length - done.inserted;
      this.counts.gaps += done.gaps;
      cursor.offset = done.offset;
      cursor.lastSeq = done.lastSeq;
    } catch (error) {
      if (!isWrongLine(error)) throw error;
      if (lines.length === 1) return this.#reject(cursor, lines[0]!, error);
      const half = lines.length >> 1;
      this.#load(cursor, lines.slice(0, half));
      this.#load(cursor, lines.slice(half));
    }
  }

  #insert(cursor: Cursor, lines: readonly Line[]) {
    let { offset, lastSeq } = cursor;
    let inserted = 0;
    let gaps = 0;
    const at = this.#options.now();
    for (const { bytes } of lines) {
      const row = this.#loader.load(parseLine(this.#decode(bytes)), at);
      if (row.inserted) inserted += 1;
      if (lastSeq > 0 && row.seq > lastSeq) gaps += row.seq - lastSeq - 1;
      lastSeq = row.seq;
      const { ts: lastTs, gatewayId, replica } = row;
      offset = { ...offset, lastTs, gatewayId, replica };
    }
    const moved = { ...offset, position: lines.at(-1)!.end, lines: offset.lines + lines.length };
    this.#offsets.move(cursor.journalId, cursor.files, moved, at);
    return { inserted, gaps, lastSeq, offset: moved };
  }

  #reject(cursor: Cursor, line: Line, error: Error): void {
    const { db, path, now, onRejected } = this.#options;
    const { journalId, files, offset } = cursor;
    // Written first: a crash between repeats the line, and never loses it.
    appendLine(sideFiles(path).rejected, line.bytes);
    const moved = { ...offset, position: line.end, rejected: offset.rejected + 1 };
    transaction(db, "IMMEDIATE", () => this.#offsets.move(journalId, files, moved, now()));
    cursor.offset = moved;
    this.counts.rejected += 1;
    onRejected(files.stem, error.name);
  }
}

/** Gives a journal without a readable `.state` a new id; rows that come again are ignored. */
function adopt(files: JournalFiles, now: number): string {
  const journalId = newJournalId(now);
  const highest = segmentsOf(files).findLast(({ closed }) => closed)?.number ?? 0;
  try {
    writeState(files, { journalId, segment: highest + 1 });
  } catch {
    // A folder that cannot be written keeps the id for as long as this shipper lives.
  }
  return journalId;
}

function createDecode(): (bytes: Uint8Array) => string {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  return (bytes) => {
    try {
      return decoder.decode(bytes);
    } catch (error) {
      throw new LineError("Cannot read a line that is no UTF-8", { cause: error });
    }
  };
}

function isWrongLine(error: unknown): error is Error {
  return error instanceof LineError || error instanceof SyntaxError || isContentError(error);
}

function removable({ files, offset }: Cursor, keep: number): string[] {
  const below = Math.min(offset.position.segment, readState(files)?.segment ?? 0);
  const closed = segmentsOf(files).filter(({ closed }) => closed);
  const kept = files.kind === "events" ? 0 : keep;
  return closed.slice(0, Math.max(0, closed.length - kept))
    .filter(({ number }) => number < below)
    .map(({ path }) => path);
}

function appendLine(path: string, bytes: Uint8Array): void {
  using file = Deno.openSync(path, { create: true, append: true, mode: 0o600 });
  file.writeSync(bytes);
  file.writeSync(new Uint8Array([10]));
}

function removeFile(path: string): void {
  try {
    Deno.removeSync(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
