import {
  activePath,
  type JournalFiles,
  MAX_LINE_BYTES,
  type Segment,
  segmentsOf,
} from "./journal_folder.ts";

/** A place in a journal: everything before it is shipped. */
export interface Position {
  readonly segment: number;
  readonly byteOffset: number;
}

/** One line without its newline, and the place behind it. */
export interface Line {
  readonly bytes: Uint8Array;
  readonly end: Position;
}

/** What closes a batch. */
export interface BatchLimits {
  readonly lines: number;
  readonly bytes: number;
}

/** Reads whole lines of journals. */
export interface SegmentReader {
  /**
   * Reads lines of one segment from a place on. Their bytes stay valid until the next call, and lie in one
   * buffer as in the file, a newline between two. No lines: nothing is left. `next` is where the next read
   * begins, `more` whether it may find something at once.
   */
  read(
    journal: JournalFiles,
    from: Position,
  ): { lines: readonly Line[]; next: Position; more: boolean };
}

const NEWLINE = 10;

/** Builds a reader with one buffer of `limits.bytes`. */
export function createSegmentReader(limits: BatchLimits): SegmentReader {
  const buffer = new Uint8Array(limits.bytes);

  return {
    read(journal, from) {
      let place = from;
      for (;;) {
        const segment = segmentsOf(journal).find(({ number }) => number >= place.segment);
        if (!segment) return { lines: [], next: place, more: false };
        if (segment.number > place.segment) place = { segment: segment.number, byteOffset: 0 };
        const bytes = fill(buffer, journal, segment, place.byteOffset);
        if (bytes === "moved") continue;
        const lines = splitLines(bytes, { from: place, segment, limits });
        const full = lines.length === limits.lines || bytes.length === limits.bytes;
        const more = full || segment.closed;
        if (lines.length > 0) return { lines, next: lines.at(-1)!.end, more };
        if (!segment.closed) return { lines, next: place, more };
        place = { segment: segment.number + 1, byteOffset: 0 };
      }
    },
  };
}

/** Bytes of a journal behind a place. */
export function bytesAfter(journal: JournalFiles, from: Position): number {
  let bytes = 0;
  for (const { number, path } of segmentsOf(journal)) {
    if (number < from.segment) continue;
    bytes += sizeOf(path) - (number === from.segment ? from.byteOffset : 0);
  }
  return Math.max(0, bytes);
}

/** Reads from an offset as much as there is and fits, or tells that a rotation took the file away. */
function fill(
  buffer: Uint8Array,
  journal: JournalFiles,
  segment: Segment,
  offset: number,
): Uint8Array | "moved" {
  try {
    using file = Deno.openSync(segment.path, { read: true });
    // A rotation between the listing and the opening gave this name to the next segment.
    if (!segment.closed && activeNumber(journal) !== segment.number) return "moved";
    file.seekSync(offset, Deno.SeekMode.Start);
    let read = 0;
    for (let count; (count = file.readSync(buffer.subarray(read))); read += count);
    return buffer.subarray(0, read);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "moved";
    throw error;
  }
}

function splitLines(
  bytes: Uint8Array,
  { from, segment, limits }: { from: Position; segment: Segment; limits: BatchLimits },
): Line[] {
  const lines: Line[] = [];
  const end = (place: number) => ({
    segment: segment.number,
    byteOffset: from.byteOffset + place,
  });
  let start = 0;
  while (lines.length < limits.lines) {
    const newline = bytes.indexOf(NEWLINE, start);
    if (newline < 0) break;
    lines.push({ bytes: bytes.subarray(start, newline), end: end(newline + 1) });
    start = newline + 1;
  }
  // Only a crash of the machine leaves these: they are rejected, or shipping would stop here.
  const stuck = lines.length === 0 && bytes.length > 0 &&
    (segment.closed || bytes.length > MAX_LINE_BYTES);
  if (stuck) lines.push({ bytes, end: end(bytes.length) });
  return lines;
}

function activeNumber(journal: JournalFiles): number | undefined {
  const path = activePath(journal);
  return segmentsOf(journal).find((segment) => segment.path === path)?.number;
}

function sizeOf(path: string): number {
  try {
    return Deno.statSync(path).size;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return 0;
    throw error;
  }
}
