import type { Bridge } from "./bridge.ts";
import type { Tap } from "./dialect.ts";
import type { GatewayError } from "./errors.ts";
import type { FrameBatch } from "./sse.ts";
import type { ReadBatch } from "./tap_batch.ts";
import { failure, type UpstreamError } from "./upstream_error.ts";

/** How the frames of a provider's stream reach the caller. */
export interface Outlet {
  /** What the caller gets of a batch. */
  pass(batch: ReadBatch): Uint8Array<ArrayBuffer>;
  /** What the caller gets of the unfinished tail of a stream that closed where it may. */
  close(rest: ReadBatch): Uint8Array<ArrayBuffer>;
  /** What ends a stream that cannot go on. */
  fail(error: GatewayError, requestId: string): Uint8Array<ArrayBuffer>;
  /** Whether an error event of the provider is what the caller gets. */
  readonly passesErrors: boolean;
  /** What the outlet cannot carry; `null` while all goes well. */
  readonly fault: UpstreamError | null;
  /** A frame that keeps a silent stream open; `null`: nothing is ever added. */
  readonly keepAlive: Uint8Array<ArrayBuffer> | null;
}

const encoder = new TextEncoder();
/** What keeps a stream open that has not begun: every dialect passes over comments. */
const COMMENT = encoder.encode(":\n\n");
const NOTHING = new Uint8Array(0);

/** Same dialect: the bytes pass as they came. */
export function passThrough(tap: Tap, frames: { readonly overflowed: boolean }): Outlet {
  return {
    pass: passing,
    close: (rest) => rest.kinds.includes("terminal") ? passing(rest) : NOTHING,
    fail(error, requestId) {
      // What flowed unread may have stopped inside a frame.
      const apart = frames.overflowed ? "\n\n" : "";
      return encoder.encode(apart + tap.errorFrame(error, requestId));
    },
    passesErrors: true,
    fault: null,
    keepAlive: null,
  };
}

/** Two dialects: each frame is decoded and encoded. */
export function translating(bridge: Bridge, options: {
  readonly tap: Tap;
  readonly frames: { readonly overflowed: boolean };
  readonly keepAlive: string;
}): Outlet {
  const translator = bridge.stream(() => options.tap.facts());
  const keepAlive = encoder.encode(options.keepAlive);
  let begun = false;
  const write = ({ frames }: FrameBatch) => {
    let text = "";
    for (const { frame } of frames) text += translator.write(frame);
    begun ||= text !== "";
    return text;
  };
  return {
    pass: (batch) => encoder.encode(write(batch)),
    close: (rest) => encoder.encode(write(rest) + translator.end()),
    fail: (error, requestId) => encoder.encode(translator.fail(error, requestId)),
    passesErrors: false,
    get fault() {
      // A frame that is too large to be read cannot be translated.
      return options.frames.overflowed ? failure("upstream_bad_response", 200) : translator.fault;
    },
    get keepAlive() {
      return begun ? keepAlive : COMMENT;
    },
  };
}

/** The bytes of a batch without the frames that are not the caller's to see. */
function passing({ bytes, frames, kinds }: ReadBatch): Uint8Array<ArrayBuffer> {
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
