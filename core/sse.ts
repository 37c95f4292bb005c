import { Buffer } from "node:buffer";
import { createParser } from "eventsource-parser";
import type { SseFrame } from "./wire.ts";

/** A complete frame and where it stands in `FrameBatch.bytes`; half open. */
export interface FrameSpan {
  readonly frame: SseFrame;
  readonly start: number;
  readonly end: number;
}

/** What a chunk completed. */
export interface FrameBatch {
  /** The bytes that may flow now, as they came: the complete frames, back to back. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** The frames of `bytes`, in order, without a gap unless the reader has overflowed. */
  readonly frames: readonly FrameSpan[];
}

/** Splits a stream of bytes into frames. */
export interface FrameReader {
  /** Takes the next chunk; it must not be changed afterwards. */
  push(chunk: Uint8Array<ArrayBuffer>): FrameBatch;
  /** The unfinished tail at the end of the stream, read as if its blank line had come. */
  rest(): FrameBatch;
  /** Whether a frame was too large: from then on bytes flow as they come, without frames. */
  readonly overflowed: boolean;
}

// The end of a frame. After a line that ended in CRLF or LF, a lone CR waits for its LF; after one that
// ended in CR it does not, so a stream of CR lines is not held back.
const BLANK_LINE = /(?:\r\n|\n)(?:\r\n|\n|\r(?=[^\n]))|\r\r\n?/g;
const NO_FRAMES: readonly FrameSpan[] = [];
const NO_DATA: SseFrame = { event: "", data: "" };

/**
 * Reads server-sent events from any split of their bytes: LF, CRLF, CR, comments, a byte order mark,
 * several `data` lines. Frames are ranges of the bytes as they came, so they pass on unchanged; the
 * unfinished tail waits. Comments and frames without data have empty `event` and `data`.
 *
 * @param options `maxFrameBytes`: a larger frame ends the reading, and the stream flows raw
 * @see https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream
 *
 * @example Usage
 * ```ts
 * import { createFrameReader } from "@/core/sse.ts";
 *
 * const reader = createFrameReader({ maxFrameBytes: 1 << 20 });
 * const { bytes, frames } = reader.push(new TextEncoder().encode("data: a\n\ndata: b"));
 * if (frames[0]?.frame.data !== "a" || bytes.length !== 9) throw new Error("Cannot split");
 * if (reader.rest().frames[0]?.frame.data !== "b") throw new Error("Cannot read the tail");
 * ```
 */
export function createFrameReader(options: { readonly maxFrameBytes: number }): FrameReader {
  const parse = frameParser();
  const pending = pendingBytes();
  const reader = { overflowed: false, push, rest };
  return reader;

  function push(chunk: Uint8Array<ArrayBuffer>): FrameBatch {
    if (reader.overflowed) return { bytes: chunk, frames: NO_FRAMES };
    const frames: FrameSpan[] = [];
    let start = 0;
    for (const end of pending.append(chunk)) {
      if (end - start > options.maxFrameBytes) return overflow(frames);
      frames.push({ frame: parse(pending.text(start, end)), start, end });
      start = end;
    }
    if (pending.size() - start > options.maxFrameBytes) return overflow(frames);
    return { bytes: pending.take(start), frames };
  }

  function overflow(frames: readonly FrameSpan[]): FrameBatch {
    reader.overflowed = true;
    return { bytes: pending.take(pending.size()), frames };
  }

  function rest(): FrameBatch {
    const end = pending.size();
    if (end === 0) return { bytes: new Uint8Array(0), frames: NO_FRAMES };
    const frame = parse(`${pending.text(0, end)}\n\n`);
    return { bytes: pending.take(end), frames: [{ frame, start: 0, end }] };
  }
}

/** Bytes that wait for the end of their frame. Those that were taken are never written to again. */
function pendingBytes() {
  let buffer = Buffer.from(new ArrayBuffer(0));
  let ownsBuffer = false;
  let start = 0;
  let end = 0;
  let searched = 0;

  function append(chunk: Uint8Array<ArrayBuffer>): void {
    if (start === end) {
      buffer = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length);
      ownsBuffer = false;
      start = searched = end = 0;
    } else if (!ownsBuffer || end + chunk.length > buffer.length) {
      const larger = Buffer.alloc(2 * (end - start + chunk.length));
      larger.set(buffer.subarray(start, end));
      buffer = larger;
      ownsBuffer = true;
      searched -= start;
      end -= start;
      start = 0;
    }
    if (ownsBuffer) buffer.set(chunk, end);
    end += chunk.length;
  }

  return {
    /** Waiting bytes. */
    size: () => end - start,
    /** Adds a chunk; gives the ends of the frames that are complete now, from the first waiting byte. */
    append(chunk: Uint8Array<ArrayBuffer>): number[] {
      append(chunk);
      const ends = frameEnds(buffer.toString("latin1", searched, end), searched - start);
      // The longest piece of a blank line that the next chunk may complete is CR LF CR.
      searched = Math.max(start + (ends.at(-1) ?? 0), end - 3, searched);
      return ends;
    },
    text: (from: number, to: number) => buffer.toString("utf8", start + from, start + to),
    take(size: number): Uint8Array<ArrayBuffer> {
      const from = buffer.byteOffset + start;
      start += size;
      return new Uint8Array(buffer.buffer, from, size);
    },
  };
}

/** Offsets of frame ends in a text of one character per byte, plus `base`. */
function frameEnds(text: string, base: number): number[] {
  const ends: number[] = [];
  if (!text.includes("\r")) {
    for (let at = text.indexOf("\n\n"); at !== -1; at = text.indexOf("\n\n", at + 2)) {
      ends.push(base + at + 2);
    }
    return ends;
  }
  for (const match of text.matchAll(BLANK_LINE)) ends.push(base + match.index + match[0].length);
  return ends;
}

/** Reads the text of one whole frame. */
function frameParser(): (text: string) => SseFrame {
  let found: SseFrame | null = null;
  const parser = createParser({
    onEvent: ({ event, data }) => found = { event: event ?? "", data },
  });
  return (text) => {
    found = null;
    parser.feed(text);
    return found ?? NO_DATA;
  };
}
