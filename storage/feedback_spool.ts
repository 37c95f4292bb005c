import { Buffer } from "node:buffer";
import { dirname, join } from "node:path";
import type { OpenSpool, Spool, SpooledLine } from "../core/spool.ts";
import { type AppendFile, openAppendFile } from "./append_file.ts";

/** A segment is closed at this size, bytes. */
const SEGMENT_BYTES = 1024 * 1024;

const NEWLINE = 10;

/**
 * Spools of groups, beside the journal that is at `path`. The first process takes over what those left
 * that are no more.
 *
 * @param writer which of several processes writes; 0: the first, or the only one
 * @param writers how many there are
 */
export function feedbackSpools(path: string, writer: number, writers: number): OpenSpool {
  const folder = dirname(path);
  const open = (writer: number, group: string) =>
    new FeedbackSpool(folder, `feedback.${writer}.${encodeURIComponent(group)}`);
  return (group) => {
    const spool = open(writer, group);
    const gone = writer > 0 ? [] : writersOf(folder, group).filter((other) => other >= writers);
    for (const other of gone) spool.takeOver(open(other, group));
    return spool;
  };
}

/** Whose spools of a group there are. */
function writersOf(folder: string, group: string): readonly number[] {
  const found = [...Deno.readDirSync(folder)].flatMap(({ name }) => {
    const [, writer, stem] = SPOOL_FILE.exec(name) ?? [];
    return stem === encodeURIComponent(group) ? Number(writer) : [];
  });
  return [...new Set(found)].toSorted((a, b) => a - b);
}

const SPOOL_FILE = /^feedback\.(\d+)\.(.+)\.(?:offset|\d{8}\.jsonl)$/;

/**
 * Lines in segments `<stem>.<number>.jsonl`, and how far they are delivered in `<stem>.offset`. A
 * process that is killed loses nothing that was appended, and may see its last removal undone.
 */
class FeedbackSpool implements Spool {
  readonly #folder: string;
  readonly #stem: string;
  readonly #offsetFile: Deno.FsFile;
  /** Of the line that comes first, and the numbers of all segments from there. */
  #head: { segment: number; offset: number };
  #last: number;
  #active: AppendFile;
  #activeBytes: number;
  #lines: SpooledLine[] = [];
  #bytes = 0;
  #dropped = 0;

  /** @throws what the system says when the folder cannot be used */
  constructor(folder: string, stem: string) {
    Deno.mkdirSync(folder, { recursive: true, mode: 0o700 });
    this.#folder = folder;
    this.#stem = stem;
    const numbers = this.#segments();
    this.#last = numbers.at(-1) ?? 1;
    endLine(this.#path(this.#last));
    this.#offsetFile = Deno.openSync(join(folder, `${stem}.offset`), OFFSET_OPTIONS);
    this.#head = headOf(Deno.readTextFileSync(join(folder, `${stem}.offset`)), numbers);
    this.#active = openAppendFile(this.#path(this.#last));
    this.#activeBytes = this.#active.size();
    // A machine that lost power may have lost the end of a segment.
    if (this.#head.segment === this.#last && this.#head.offset > this.#activeBytes) {
      this.#head.offset = this.#activeBytes;
    }
    this.#bytes = this.#waiting(numbers);
  }

  get bytes(): number {
    return this.#bytes;
  }

  get dropped(): number {
    return this.#dropped;
  }

  append(line: string, maxBytes: number): void {
    try {
      this.#write(new TextEncoder().encode(`${line}\n`), maxBytes);
    } catch {
      this.#dropped += 1;
    }
  }

  first(): SpooledLine | null {
    while (this.#lines.length === 0) {
      this.#lines = this.#load();
      if (this.#lines.length > 0 || this.#head.segment === this.#last) break;
      this.#leaveSegment();
    }
    return this.#lines[0] ?? null;
  }

  remove(line: SpooledLine): void {
    if (this.#lines[0]?.place !== line.place) return;
    this.#lines.shift();
    const size = Buffer.byteLength(line.text) + 1;
    this.#bytes -= size;
    this.#head.offset += size;
    this.#saveHead();
  }

  /** Takes the lines of a spool that nobody writes to any more, and removes it. */
  takeOver(other: FeedbackSpool): void {
    using _ = other;
    for (let line = other.first(); line !== null; line = other.first()) {
      // What a full disk has no place for stays for the next start.
      try {
        this.#write(new TextEncoder().encode(`${line.text}\n`), Infinity);
      } catch {
        return;
      }
      other.remove(line);
    }
    for (const segment of other.#segments()) Deno.removeSync(other.#path(segment));
    Deno.removeSync(join(other.#folder, `${other.#stem}.offset`));
  }

  [Symbol.dispose](): void {
    this.#active[Symbol.dispose]();
    this.#offsetFile.close();
  }

  #write(bytes: Uint8Array, maxBytes: number): void {
    if (bytes.length > maxBytes) throw new RangeError("Cannot keep a line that has no place");
    while (this.#bytes + bytes.length > maxBytes && this.#dropFirst());
    if (this.#activeBytes >= SEGMENT_BYTES) this.#nextSegment();
    const written = this.#active.write(bytes);
    if (written < bytes.length) {
      this.#active.truncate(this.#activeBytes);
      throw new Error("Cannot write a whole line");
    }
    this.#activeBytes += written;
    this.#bytes += written;
  }

  #dropFirst(): boolean {
    const line = this.first();
    if (!line) return false;
    this.remove(line);
    this.#dropped += 1;
    return true;
  }

  #nextSegment(): void {
    const next = openAppendFile(this.#path(this.#last + 1));
    this.#active[Symbol.dispose]();
    this.#active = next;
    this.#last += 1;
    this.#activeBytes = 0;
  }

  /** Lines of the first segment that were not read yet. */
  #load(): SpooledLine[] {
    const { segment, offset } = this.#head;
    const lines: SpooledLine[] = [];
    const bytes = readFrom(this.#path(segment), offset);
    for (let start = 0;;) {
      const end = bytes.indexOf(NEWLINE, start);
      if (end < 0) return lines;
      const text = bytes.toString("utf8", start, end);
      lines.push({ place: `${segment}:${offset + start}`, text });
      start = end + 1;
    }
  }

  #leaveSegment(): void {
    Deno.removeSync(this.#path(this.#head.segment));
    this.#head = { segment: this.#head.segment + 1, offset: 0 };
    this.#saveHead();
  }

  /** In one write of fixed length: a process that is killed leaves the old one or the new one. */
  #saveHead(): void {
    const { segment, offset } = this.#head;
    const text = `${String(segment).padStart(8, "0")} ${String(offset).padStart(12, "0")}\n`;
    this.#offsetFile.seekSync(0, Deno.SeekMode.Start);
    this.#offsetFile.writeSync(new TextEncoder().encode(text));
  }

  #waiting(numbers: readonly number[]): number {
    const { segment, offset } = this.#head;
    const sizes = numbers.filter((number) => number >= segment)
      .map((number) => Deno.statSync(this.#path(number)).size);
    return Math.max(0, sizes.reduce((sum, size) => sum + size, 0) - offset);
  }

  #segments(): readonly number[] {
    const start = `${this.#stem}.`;
    return [...Deno.readDirSync(this.#folder)].flatMap(({ name }) => {
      const digits = name.startsWith(start)
        ? name.slice(start.length).match(SEGMENT)?.[1]
        : undefined;
      return digits === undefined ? [] : [Number(digits)];
    }).toSorted((a, b) => a - b);
  }

  #path(segment: number): string {
    return join(this.#folder, `${this.#stem}.${String(segment).padStart(8, "0")}.jsonl`);
  }
}

const SEGMENT = /^(\d{8})\.jsonl$/;

const OFFSET_OPTIONS = { create: true, read: true, write: true, mode: 0o600 } as const;

/** Where delivery goes on; what cannot be read begins with the oldest line there is. */
function headOf(text: string, numbers: readonly number[]) {
  const [, segment, offset] = /^(\d{8}) (\d{12})\n$/.exec(text) ?? [];
  const oldest = numbers[0] ?? 1;
  return Number(segment) >= oldest && numbers.includes(Number(segment))
    ? { segment: Number(segment), offset: Number(offset) }
    : { segment: oldest, offset: 0 };
}

/** Bytes of a file from a place on. */
function readFrom(path: string, offset: number): Buffer {
  using file = Deno.openSync(path, { read: true });
  const bytes = Buffer.alloc(Math.max(0, file.statSync().size - offset));
  file.seekSync(offset, Deno.SeekMode.Start);
  let filled = 0;
  for (;;) {
    const count = file.readSync(bytes.subarray(filled));
    if (!count) return bytes.subarray(0, filled);
    filled += count;
  }
}

/** Cuts off what a crash left behind the last newline of a file. */
function endLine(path: string): void {
  if (!exists(path)) return;
  const bytes = readFrom(path, 0);
  const whole = bytes.lastIndexOf(NEWLINE) + 1;
  if (whole < bytes.length) Deno.truncateSync(path, whole);
}

function exists(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
