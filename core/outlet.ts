import type { Bridge } from "./bridge.ts";
import type { FrameKind, Tap } from "./dialect.ts";
import type { GatewayError } from "./errors.ts";
import type { FrameBatch } from "./sse.ts";
import { failure, type UpstreamError } from "./upstream_error.ts";

/** A batch of frames, and what became of it. */
export interface PassedBatch {
  /** What the tap said about each frame, up to the one that broke the stream. */
  readonly kinds: readonly FrameKind[];
  /** What the caller gets of it. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** What the outlet could not carry of it. */
  readonly fault: UpstreamError | null;
}

/** How the frames of a provider's stream reach the caller; the tap reads what passes, and no more. */
export interface Outlet {
  /** Takes the next frames. */
  pass(batch: FrameBatch): PassedBatch;
  /** Takes the unfinished tail of a stream that closed; `null` when it broke off. */
  close(rest: FrameBatch): PassedBatch | null;
  /** What ends a stream that cannot go on. */
  fail(error: GatewayError, requestId: string): Uint8Array<ArrayBuffer>;
  /** Whether an error event of the provider is what the caller gets. */
  readonly passesErrors: boolean;
  /** A frame that keeps a silent stream open; `null`: nothing is ever added. */
  keepAlive(): Uint8Array<ArrayBuffer> | null;
}

const encoder = new TextEncoder();
/** What keeps a stream open that has not begun: every dialect passes over comments. */
const COMMENT = encoder.encode(":\n\n");
const NOTHING = new Uint8Array(0);

/** Same dialect: the bytes pass as they came. */
export function passThrough(tap: Tap, frames: { readonly overflowed: boolean }): Outlet {
  const pass = (batch: FrameBatch) => {
    const kinds = batch.frames.map(({ frame }) => tap.read(frame));
    return { kinds, bytes: seen(batch, kinds), fault: null };
  };
  return {
    pass,
    close(rest) {
      const passed = pass(rest);
      if (!tap.complete() && !frames.overflowed) return null;
      return passed.kinds.includes("terminal") ? passed : { ...passed, bytes: NOTHING };
    },
    fail(error, requestId) {
      // What flowed unread may have stopped inside a frame.
      const apart = frames.overflowed ? "\n\n" : "";
      return encoder.encode(apart + tap.errorFrame(error, requestId));
    },
    passesErrors: true,
    keepAlive: () => null,
  };
}

/** Two dialects: each frame is decoded and encoded. */
export function translating(bridge: Bridge, options: {
  readonly tap: Tap;
  readonly frames: { readonly overflowed: boolean };
  readonly keepAlive: string;
}): Outlet {
  const { tap } = options;
  const translator = bridge.stream(() => tap.facts());
  const keepAlive = encoder.encode(options.keepAlive);
  let begun = false;

  // A frame that is too large to be read cannot be translated.
  const fault = () =>
    options.frames.overflowed ? failure("upstream_bad_response", 200) : translator.fault();

  function write({ frames }: FrameBatch, end: () => string): PassedBatch {
    const kinds: FrameKind[] = [];
    let text = "";
    for (const { frame } of frames) {
      // What lies behind the end of a stream reaches nobody, and counts for nothing.
      if (translator.fault() !== null) break;
      kinds.push(tap.read(frame));
      text += translator.write(frame);
    }
    text += end();
    begun ||= text !== "";
    return { kinds, bytes: encoder.encode(text), fault: fault() };
  }

  return {
    pass: (batch) => write(batch, () => ""),
    close(rest) {
      const passed = write(rest, () => tap.complete() ? translator.end() : "");
      return tap.complete() || passed.fault ? passed : null;
    },
    fail: (error, requestId) => encoder.encode(translator.fail(error, requestId)),
    passesErrors: false,
    keepAlive: () => begun ? keepAlive : COMMENT,
  };
}

/** The bytes of a batch without the frames that are not the caller's to see. */
function seen(
  { bytes, frames }: FrameBatch,
  kinds: readonly FrameKind[],
): Uint8Array<ArrayBuffer> {
  if (!kinds.includes("withheld")) return bytes;
  const kept = frames.filter((_, index) => kinds[index] !== "withheld");
  const out = new Uint8Array(kept.reduce((sum, { start, end }) => sum + end - start, 0));
  let at = 0;
  for (const { start, end } of kept) {
    out.set(bytes.subarray(start, end), at);
    at += end - start;
  }
  return out;
}
