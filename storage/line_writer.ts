import { Buffer } from "node:buffer";
import type { AppendFile, OpenAppendFile } from "./append_file.ts";
import {
  activePath,
  closedPath,
  type JournalFiles,
  newJournalId,
  readState,
  segmentsOf,
  writeState,
} from "./journal_folder.ts";
import { lastSeq, recoverTail, type Recovery } from "./journal_recovery.ts";
import type { Position } from "./segment_reader.ts";

/** What a writer needs of its surroundings; sizes in bytes, times in ms. */
export interface LineWriterOptions {
  readonly rotateBytes: number;
  /** Closed segments that stay; `null` when the shipper removes them. */
  readonly keep: number | null;
  readonly fsyncIntervalMs: number;
  readonly retryMs: number;
  readonly maxHeldBytes: number;
  readonly openFile: OpenAppendFile;
  now(): number;
  onFailed(error: unknown): void;
  onRecovered(lines: number): void;
}

/**
 * Appends lines to the active segment of one journal and rotates it. A line that cannot be written is
 * held in memory and tried again each `retryMs`; past `maxHeldBytes` it is lost and counted.
 */
export class LineWriter {
  /** What was found at the end of the active segment. */
  readonly recovery: Recovery;
  /** Of the last line that is in the journal. */
  readonly seqAtStart: number;
  /** Lines that were never written. */
  lost = 0;
  readonly #files: JournalFiles;
  readonly #options: LineWriterOptions;
  readonly #journalId: string;
  #segment: number;
  #file: AppendFile | null;
  #size: number;
  /** Lines that are written when the work at hand is done. */
  #soon: Uint8Array[] = [];
  #held: Uint8Array[] = [];
  #heldBytes = 0;
  #failed = false;
  #closed = false;
  #drained = Promise.withResolvers<void>();
  #syncTimer: Timer | undefined;
  #retryTimer: Timer | undefined;

  /** @throws what the system says when the folder or a file in it cannot be used. */
  constructor(files: JournalFiles, options: LineWriterOptions) {
    this.#files = files;
    this.#options = options;
    this.recovery = recoverTail(activePath(files), options.now());
    const state = readState(files);
    const segments = segmentsOf(files);
    const highest = segments.findLast(({ closed }) => closed)?.number ?? 0;
    this.#segment = Math.max(state?.segment ?? 1, highest + 1);
    this.#journalId = state?.journalId ?? newJournalId(options.now());
    if (state?.segment !== this.#segment) this.#saveState();
    this.seqAtStart = Math.max(0, ...segments.slice(-2).map(({ path }) => lastSeq(path)));
    this.#file = options.openFile(activePath(files));
    this.#size = this.#file.size();
  }

  get journalId(): string {
    return this.#journalId;
  }

  /** The place behind the last line that was written. */
  get position(): Position {
    return { segment: this.#segment, byteOffset: this.#size };
  }

  /** True while lines cannot be written. */
  get failed(): boolean {
    return this.#failed;
  }

  /** Takes a line with its newline. Never throws. */
  write(line: Uint8Array): void {
    if (this.#soon.length > 0) this.#writeSoon();
    this.#write([line]);
  }

  /**
   * Takes a copy of a line with its newline, written in one go with others of the same turn of the event
   * loop: a line that nobody waits for takes longer to be written than to be made. Never throws.
   */
  writeSoon(line: Uint8Array): void {
    if (this.#soon.push(line.slice()) === 1) queueMicrotask(() => this.#writeSoon());
  }

  /** Ends when no line is held any more. */
  drained(): Promise<void> {
    return this.#failed ? this.#drained.promise : Promise.resolve();
  }

  /** Makes what was written durable. Never rejects: an error makes the writer fail and try again. */
  async sync(): Promise<void> {
    const file = this.#file;
    try {
      await file?.syncLater();
    } catch (error) {
      // A rotation synced and closed it meanwhile.
      if (file === this.#file) this.#fail(error);
    }
  }

  /** Writes what is held if that works now, syncs and closes. */
  close(): void {
    this.#writeSoon();
    this.#closed = true;
    if (this.#failed) this.#retry();
    clearTimeout(this.#retryTimer);
    clearTimeout(this.#syncTimer);
    this.lost += this.#held.length;
    this.#held = [];
    try {
      this.#file?.sync();
    } catch (error) {
      this.#options.onFailed(error);
    }
    this.#file?.[Symbol.dispose]();
    this.#file = null;
  }

  #writeSoon(): void {
    const lines = this.#soon;
    this.#soon = [];
    if (lines.length > 0) this.#write(lines);
  }

  #write(lines: readonly Uint8Array[]): void {
    // The folder may be another gateway's by now.
    if (this.#closed) return void (this.lost += lines.length);
    if (this.#failed) return this.#hold(lines);
    try {
      this.#append(lines.length === 1 ? lines[0]! : Buffer.concat(lines));
    } catch (error) {
      this.#hold(lines);
      this.#fail(error);
    }
  }

  /** Appends whole lines, or none of them. */
  #append(line: Uint8Array): void {
    let file = this.#file ?? this.#reopen();
    if (this.#size > 0 && this.#size + line.length > this.#options.rotateBytes) {
      file = this.#rotate(file);
    }
    if (!this.#writeWhole(file, line) && !this.#writeWhole(file, line)) {
      throw new Error("Cannot write a whole line: the disk, or what may be used of it, is full");
    }
    this.#size += line.length;
    if (this.#syncTimer === undefined) this.#syncSoon();
  }

  #writeWhole(file: AppendFile, line: Uint8Array): boolean {
    if (file.write(line) === line.length) return true;
    file.truncate(this.#size);
    return false;
  }

  /** Opens the active segment again; what lies behind its last whole line goes. */
  #reopen(): AppendFile {
    const file = this.#options.openFile(activePath(this.#files));
    const size = file.size();
    if (size > this.#size) file.truncate(this.#size);
    this.#size = Math.min(size, this.#size);
    return this.#file = file;
  }

  /** A crash between any two of these steps is harmless: see the start. */
  #rotate(file: AppendFile): AppendFile {
    file.sync();
    Deno.renameSync(activePath(this.#files), closedPath(this.#files, this.#segment));
    file[Symbol.dispose]();
    this.#file = null;
    this.#size = 0;
    this.#segment += 1;
    this.#saveState();
    this.#prune();
    return this.#reopen();
  }

  #saveState(): void {
    writeState(this.#files, { journalId: this.#journalId, segment: this.#segment });
  }

  #prune(): void {
    const { keep } = this.#options;
    if (keep === null) return;
    const closed = segmentsOf(this.#files).filter(({ closed }) => closed);
    for (const { path } of closed.slice(0, Math.max(0, closed.length - keep))) {
      Deno.removeSync(path);
    }
  }

  #hold(lines: readonly Uint8Array[]): void {
    for (const line of lines) {
      if (this.#heldBytes + line.length > this.#options.maxHeldBytes) {
        this.lost += 1;
        continue;
      }
      this.#held.push(line.slice());
      this.#heldBytes += line.length;
    }
  }

  #fail(error: unknown): void {
    if (!this.#failed) this.#drained = Promise.withResolvers();
    this.#failed = true;
    this.#file?.[Symbol.dispose]();
    this.#file = null;
    clearTimeout(this.#retryTimer);
    this.#retryTimer = setTimeout(() => this.#retry(), this.#options.retryMs);
    this.#options.onFailed(error);
  }

  #retry(): void {
    let written = 0;
    try {
      this.#reopen();
      for (const line of this.#held) {
        this.#append(line);
        written += 1;
        this.#heldBytes -= line.length;
      }
      this.#file?.sync();
      this.#failed = false;
      this.#held = [];
      this.#drained.resolve();
      this.#options.onRecovered(written);
    } catch (error) {
      this.#held = this.#held.slice(written);
      this.#fail(error);
    }
  }

  #syncSoon(): void {
    this.#syncTimer = setTimeout(() => {
      this.#syncTimer = undefined;
      void this.sync();
    }, this.#options.fsyncIntervalMs);
    // A process that only waits for this may end: the bytes are in the page cache.
    Deno.unrefTimer(this.#syncTimer);
  }
}

type Timer = ReturnType<typeof setTimeout>;
