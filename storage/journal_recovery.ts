import { parseJson } from "../core/parse_json.ts";
import { MAX_LINE_BYTES } from "./journal_folder.ts";

/** What was found behind the last newline of a file and done about it. */
export type Recovery = "whole" | "completed" | "torn";

const NEWLINE = 10;

/**
 * Makes a file end with a newline again after a crash: bytes behind the last newline that parse as a
 * line get one, others are moved to `<file>.torn.<now>`. A missing file is whole.
 */
export function recoverTail(path: string, now: number): Recovery {
  const tail = readTail(path);
  if (!tail || tail.bytes.length === 0) return "whole";
  using file = Deno.openSync(path, { read: true, write: true });
  if (parses(tail.bytes)) {
    file.seekSync(0, Deno.SeekMode.End);
    file.writeSync(new Uint8Array([NEWLINE]));
    file.syncSync();
    return "completed";
  }
  Deno.writeFileSync(`${path}.torn.${now}`, tail.bytes, { mode: 0o600 });
  file.truncateSync(tail.start);
  file.syncSync();
  return "torn";
}

/** The `seq` of the last line of a file; 0 when there is none. */
export function lastSeq(path: string): number {
  const bytes = readEnd(path, MAX_LINE_BYTES)?.bytes;
  if (!bytes) return 0;
  const end = bytes.lastIndexOf(NEWLINE);
  const start = end < 1 ? 0 : bytes.lastIndexOf(NEWLINE, end - 1) + 1;
  const match = /^\{"v":\d+,"seq":(\d+)/.exec(new TextDecoder().decode(bytes.subarray(start, end)));
  return Number(match?.[1] ?? 0);
}

interface Part {
  /** Place of the first byte in the file. */
  readonly start: number;
  readonly bytes: Uint8Array;
}

function readTail(path: string): Part | null {
  for (let length = MAX_LINE_BYTES;; length *= 4) {
    const part = readEnd(path, length);
    if (!part) return null;
    const newline = part.bytes.lastIndexOf(NEWLINE);
    if (newline < 0 && part.start > 0) continue;
    return { start: part.start + newline + 1, bytes: part.bytes.subarray(newline + 1) };
  }
}

function readEnd(path: string, length: number): Part | null {
  try {
    using file = Deno.openSync(path, { read: true });
    const start = Math.max(0, file.statSync().size - length);
    file.seekSync(start, Deno.SeekMode.Start);
    const bytes = new Uint8Array(length);
    let read = 0;
    for (let count; (count = file.readSync(bytes.subarray(read))); read += count);
    return { start, bytes: bytes.subarray(0, read) };
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}

function parses(bytes: Uint8Array): boolean {
  try {
    const value: unknown = parseJson(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
    return typeof value === "object" && value !== null;
  } catch {
    return false;
  }
}
