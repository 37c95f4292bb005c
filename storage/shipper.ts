import type { ShipCounts } from "../core/record.ts";
import type { NewRow, UsageDatabase } from "./database.ts";
import {
  findJournals,
  type JournalFiles,
  newJournalId,
  readState,
  rejectedPath,
  segmentsOf,
  writeState,
} from "./journal_folder.ts";
import { createLineReader } from "./line_rows.ts";
import { moveOffset, type Offset, readOffset } from "./offsets.ts";
import { LineError } from "./row_reader.ts";
import {
  bytesAfter,
  createSegmentReader,
  type Line,
  type SegmentReader,
} from "./segment_reader.ts";

/** Carries lines of journals into the database. */
export interface Shipper {
  /**
   * Ships one batch of each journal.
   *
   * @returns whether more was there already; what is written meanwhile makes a batch of its own, later
   * @throws what the database says, when it is not the content of a line
   */
  step(): Promise<boolean>;
  /** Bytes of all journals that are not shipped. */
  unshippedBytes(): number;
  /** Removes segments that are shipped and beyond what is kept. */
  removeShipped(): Promise<void>;
  readonly counts: ShipCounts;
}

/** What a shipper needs. */
export interface ShipperOptions {
  readonly db: UsageDatabase;
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

type RowsByTable = Map<string, NewRow[]>;

/** What lines become, read but not inserted. */
interface Batch {
  /** Epoch ms. */
  readonly at: number;
  /** The rows that stand for their lines, and their children. */
  readonly own: RowsByTable;
  readonly children: RowsByTable;
  readonly offset: Offset;
  readonly lastSeq: number;
  readonly gaps: number;
}

const BATCH_BYTES = 4 * 1024 * 1024;

/** Builds a shipper on an open, migrated database. */
export function createShipper(options: ShipperOptions): Shipper {
  return new FolderShipper(options);
}

class FolderShipper implements Shipper {
  readonly counts = { inserted: 0, duplicate: 0, rejected: 0, gaps: 0 };
  readonly #options: ShipperOptions;
  readonly #readLine = createLineReader();
  readonly #reader: SegmentReader;
  readonly #decode = createDecode();
  readonly #cursors = new Map<string, Cursor>();

  constructor(options: ShipperOptions) {
    this.#options = options;
    this.#reader = createSegmentReader({ lines: options.batchLines, bytes: BATCH_BYTES });
  }

  async step(): Promise<boolean> {
    let more = false;
    for (const files of findJournals(this.#options.path)) {
      if (await this.#shipBatch(await this.#cursorOf(files))) more = true;
    }
    return more;
  }

  unshippedBytes(): number {
    let bytes = 0;
    for (const { files, offset } of this.#cursors.values()) {
      bytes += bytesAfter(files, offset.position);
    }
    return bytes;
  }

  async removeShipped(): Promise<void> {
    const { db, keep } = this.#options;
    if (keep === null) return;
    const gone = [...this.#cursors.values()].flatMap((cursor) => removable(cursor, keep));
    if (gone.length === 0) return;
    await db.makeDurable();
    for (const path of gone) removeFile(path);
  }

  async #cursorOf(files: JournalFiles): Promise<Cursor> {
    const known = this.#cursors.get(files.stem);
    const journalId = readState(files)?.journalId ?? known?.journalId ??
      adopt(files, this.#options.now());
    if (known?.journalId === journalId) return known;
    const offset = await readOffset(this.#options.db, journalId);
    const cursor = { files, journalId, offset, lastSeq: 0 };
    this.#cursors.set(files.stem, cursor);
    return cursor;
  }

  async #shipBatch(cursor: Cursor): Promise<boolean> {
    const { lines, next, more } = this.#reader.read(cursor.files, cursor.offset.position);
    if (lines.length > 0) await this.#load(cursor, lines);
    else cursor.offset = { ...cursor.offset, position: next };
    return more;
  }

  /** Halves what is refused for its content, until one line is left. */
  async #load(cursor: Cursor, lines: readonly Line[]): Promise<void> {
    try {
      const batch = this.#read(cursor, lines);
      const inserted = await this.#insert(cursor, batch);
      this.counts.inserted += inserted;
      this.counts.duplicate += lines.length - inserted;
      this.counts.gaps += batch.gaps;
      cursor.offset = batch.offset;
      cursor.lastSeq = batch.lastSeq;
    } catch (error) {
      if (!this.#isWrongLine(error)) throw error;
      if (lines.length === 1) return await this.#reject(cursor, lines[0]!, error);
      const half = lines.length >> 1;
      await this.#load(cursor, lines.slice(0, half));
      await this.#load(cursor, lines.slice(half));
    }
  }

  #read(cursor: Cursor, lines: readonly Line[]): Batch {
    const at = this.#options.now();
    const own: RowsByTable = new Map();
    const children: RowsByTable = new Map();
    let { offset, lastSeq } = cursor;
    let gaps = 0;
    for (const text of this.#decode(lines)) {
      const line = this.#readLine(text, at);
      for (const [place, [table, row]] of line.rows.entries()) {
        add(place === 0 ? own : children, table, row);
      }
      if (lastSeq > 0 && line.seq > lastSeq) gaps += line.seq - lastSeq - 1;
      lastSeq = line.seq;
      const { ts: lastTs, gatewayId, replica } = line;
      offset = { ...offset, lastTs, gatewayId, replica };
    }
    offset = { ...offset, position: lines.at(-1)!.end, lines: offset.lines + lines.length };
    return { at, own, children, offset, lastSeq, gaps };
  }

  /** Rows and offset in one transaction; gives the number of lines that were new. */
  #insert(cursor: Cursor, { at, own, children, offset }: Batch): Promise<number> {
    return this.#options.db.transaction(async (queries) => {
      let inserted = 0;
      for (const [table, rows] of own) inserted += await queries.insert(table, rows);
      for (const [table, rows] of children) await queries.insert(table, rows);
      await moveOffset(queries, { ...cursor.files, journalId: cursor.journalId }, offset, at);
      return inserted;
    });
  }

  async #reject(cursor: Cursor, line: Line, error: Error): Promise<void> {
    const { db, path, now, onRejected } = this.#options;
    const { journalId, files, offset } = cursor;
    // Written first: a crash between repeats the line, and never loses it.
    appendLine(rejectedPath(path), line.bytes);
    const moved = { ...offset, position: line.end, rejected: offset.rejected + 1 };
    await moveOffset(db, { ...files, journalId }, moved, now());
    cursor.offset = moved;
    this.counts.rejected += 1;
    onRejected(files.stem, error.name);
  }

  #isWrongLine(error: unknown): error is Error {
    return error instanceof LineError || error instanceof SyntaxError ||
      this.#options.db.isContentError(error);
  }
}

function add(rows: RowsByTable, table: string, row: NewRow): void {
  const list = rows.get(table);
  if (list) list.push(row);
  else rows.set(table, [row]);
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

/** All at once: a text of its own for each line takes several times as long. */
function createDecode(): (lines: readonly Line[]) => readonly string[] {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  return (lines) => {
    const { buffer, byteOffset: start } = lines[0]!.bytes;
    const last = lines.at(-1)!.bytes;
    const length = last.byteOffset + last.length - start;
    try {
      return decoder.decode(new Uint8Array(buffer, start, length)).split("\n");
    } catch (error) {
      throw new LineError("Cannot read a line that is no UTF-8", { cause: error });
    }
  };
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
