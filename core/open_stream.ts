import type { Attempt, Call, Parts } from "./call.ts";
import type { FrameKind, Tap } from "./dialect.ts";
import { type Chunk, type ChunkReader, createChunkReader } from "./chunk_reader.ts";
import type { Target } from "./snapshot.ts";
import { createFrameReader, type FrameBatch, type FrameReader } from "./sse.ts";
import { classifyEvent, failure, type UpstreamError } from "./upstream_error.ts";

/** After the first preamble frame a stream is committed even if no content came, ms. */
const PREAMBLE_MS = 500;

/** A stream whose first frames show that it is a reply. */
export interface StreamReply {
  readonly kind: "stream";
  readonly attempt: Attempt;
  readonly status: number;
  readonly source: ChunkReader;
  readonly frames: FrameReader;
  readonly tap: Tap;
  /** What was read before the commit, in order. */
  readonly held: readonly ReadBatch[];
  /** A read that was under way when the preamble's time was over. */
  readonly pending: Promise<Chunk> | null;
}

/** A batch of frames, and what the tap said about each. */
export interface ReadBatch extends FrameBatch {
  readonly kinds: readonly FrameKind[];
}

/** Shows a batch to the tap. */
export function tapBatch(tap: Tap, batch: FrameBatch): ReadBatch {
  return { ...batch, kinds: batch.frames.map(({ frame }) => tap.read(frame)) };
}

/**
 * Reads the first frames of a stream and holds them: until the first content or terminal frame (or
 * half a second of preamble) a failure can still move on to another target without a trace.
 */
export async function openStream(
  parts: Parts,
  call: Call,
  attempt: Attempt,
  response: Response,
): Promise<StreamReply | UpstreamError> {
  if (!response.body) return failure("empty_stream", response.status);
  if (!isEventStream(response)) {
    await response.body.cancel();
    return failure("upstream_bad_response", response.status);
  }
  const opening = {
    source: createChunkReader(response.body),
    frames: createFrameReader({ maxFrameBytes: call.snapshot.server.maxFrameBytes }),
    tap: call.dialect.tap({ withholdUsage: withholdsUsage(call, attempt.target) }),
  };
  const opened = await peek(parts, attempt, opening);
  if ("class" in opened) {
    opening.source.cancel();
    return opened;
  }
  attempt.selected = true;
  return { kind: "stream", attempt, status: response.status, ...opening, ...opened };
}

function isEventStream({ headers }: Response): boolean {
  const type = headers.get("content-type") ?? "";
  return type === "" || /^text\/event-stream\b/i.test(type);
}

/** The usage frame is withheld from a caller that did not ask for it. */
function withholdsUsage({ features }: Call, { shape }: Target): boolean {
  return features?.usageAsked === false && !shape.unsupportedRequestFeatures.has("stream_options");
}

type Source = Pick<StreamReply, "source" | "frames" | "tap">;

async function peek(
  parts: Parts,
  attempt: Attempt,
  opening: Source,
): Promise<Pick<StreamReply, "held" | "pending"> | UpstreamError> {
  const held: ReadBatch[] = [];
  let commitAt = Infinity;
  for (;;) {
    const pending = opening.source.read();
    const chunk = await before(pending, commitAt - parts.clock());
    if (chunk === null) {
      pending.catch(() => {}); // the relay awaits it again, unless the call ends before that
      return { held, pending };
    }
    if (!chunk.done) attempt.responseBytes += chunk.value.length;
    const batch = tapBatch(
      opening.tap,
      chunk.done ? opening.frames.rest() : opening.frames.push(chunk.value),
    );
    held.push(batch);
    if (commits(batch, opening)) return { held, pending: null };
    if (batch.kinds.includes("error")) return faultOf(opening.tap, attempt);
    if (chunk.done) return failure("empty_stream", attempt.status);
    if (batch.kinds.length > 0 && commitAt === Infinity) commitAt = parts.clock() + PREAMBLE_MS;
  }
}

/** Content before an error in one batch is content all the same: it must reach the caller. */
function commits({ kinds }: ReadBatch, { frames }: Source): boolean {
  const deciding = kinds.find((kind) =>
    kind === "content" || kind === "terminal" || kind === "error"
  );
  return deciding === "content" || deciding === "terminal" || frames.overflowed;
}

function faultOf(tap: Tap, attempt: Attempt): UpstreamError {
  return classifyEvent(tap.fault(), attempt.status ?? 200);
}

/** The promise's value, or `null` when it took longer than `ms`. */
async function before<Value>(promise: Promise<Value>, ms: number): Promise<Value | null> {
  if (ms === Infinity) return await promise;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<null>((resolve) => timer = setTimeout(() => resolve(null), ms));
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
