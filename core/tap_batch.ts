import type { FrameKind, Tap } from "./dialect.ts";
import type { FrameBatch } from "./sse.ts";

/** A batch of frames, and what the tap said about each. */
export interface ReadBatch extends FrameBatch {
  readonly kinds: readonly FrameKind[];
}

/** Shows a batch to the tap. */
export function tapBatch(tap: Tap, batch: FrameBatch): ReadBatch {
  return { ...batch, kinds: batch.frames.map(({ frame }) => tap.read(frame)) };
}
