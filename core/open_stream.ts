import type { Attempt, Call, Parts } from "./call.ts";
import { type Chunk, type ChunkReader, createChunkReader } from "./chunk_reader.ts";
import { orLate } from "./deadlines.ts";
import type { FrameKind, ReplyFacts, Tap } from "./dialect.ts";
import { type Outlet, type PassedBatch, passThrough, translating } from "./outlet.ts";
import { askedContext, isEventStream, noReply, readWhole, wholeReply } from "./read_unary.ts";
import { streamOfReply } from "./reply_form.ts";
import type { Target } from "./snapshot.ts";
import { createFrameReader, type FrameReader } from "./sse.ts";
import { upstreamDetails } from "./upstream_details.ts";
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
  readonly outlet: Outlet;
  /** What was read before the commit, in order. */
  readonly held: readonly PassedBatch[];
  /** A read that was under way when the preamble's time was over. */
  readonly pending: Promise<Chunk> | null;
}

/**
 * Reads the first frames of a stream and holds them: until the first content or terminal frame (or
 * half a second of preamble) a failure can still move on to another target without a trace. What is
 * held is never more than a whole reply may have.
 */
export async function openStream(
  parts: Parts,
  call: Call,
  attempt: Attempt,
  response: Response,
): Promise<StreamReply | UpstreamError> {
  const body = await streamBody(parts, call, attempt, response);
  if ("class" in body) return body;
  const opening = opened(parts, call, attempt, body);
  attempt.tap = opening.tap;
  const peeked = await peek(parts, call, attempt, opening);
  if ("class" in peeked) {
    opening.source.cancel();
    return peeked;
  }
  return { kind: "stream", attempt, status: response.status, ...opening, ...peeked };
}

function opened(
  parts: Parts,
  call: Call,
  attempt: Attempt,
  { body, facts }: StreamBody,
): Opening {
  const { bridge, target } = attempt;
  const frames = createFrameReader({ maxFrameBytes: call.snapshot.server.maxFrameBytes });
  const withholdUsage = bridge === null && withholdsUsage(call, target);
  const read = parts.dialects.get(target.dialect).tap({ withholdUsage });
  const tap = facts ? { ...read, facts: () => facts } : read;
  const outlet = bridge
    ? translating(bridge, { tap, frames, keepAlive: call.dialect.keepAlive })
    : passThrough(tap, frames);
  return { source: createChunkReader(body), frames, tap, outlet };
}

/** A stream to read; `facts`: those of the whole reply it was made of. */
interface StreamBody {
  readonly body: ReadableStream<Uint8Array<ArrayBuffer>>;
  readonly facts?: ReplyFacts;
}

/** The stream that was asked for, also when the provider answers with a whole reply. */
async function streamBody(
  parts: Parts,
  call: Call,
  attempt: Attempt,
  response: Response,
): Promise<StreamBody | UpstreamError> {
  const { body, headers } = response;
  const type = headers.get("content-type") ?? "";
  if (body && (type === "" || isEventStream(headers))) return { body };
  const bytes = await readWhole(response, call.snapshot.server.maxResponseBytes);
  const dialect = parts.dialects.get(attempt.target.dialect);
  const reply = bytes && wholeReply(dialect, bytes);
  if (!reply) return noReply(attempt, bytes);
  const stream = streamOfReply(dialect, reply, askedContext(call, attempt));
  return { body: new Blob([stream]).stream(), facts: reply.facts };
}

/** The usage frame is withheld from a caller that did not ask for it. */
function withholdsUsage({ features }: Call, { shape }: Target): boolean {
  return features?.usageAsked === false && !shape.unsupportedRequestFeatures.has("stream_options");
}

type Opening = Pick<StreamReply, "source" | "frames" | "tap" | "outlet">;

async function peek(
  parts: Parts,
  call: Call,
  attempt: Attempt,
  opening: Opening,
): Promise<Pick<StreamReply, "held" | "pending"> | UpstreamError> {
  const { maxResponseBytes } = call.snapshot.server;
  const held: PassedBatch[] = [];
  let commitAt = Infinity;
  for (;;) {
    const pending = opening.source.read();
    const chunk = await (commitAt === Infinity ? pending : inTime(parts, call, pending, commitAt));
    if (chunk === null) {
      pending.catch(() => {}); // the relay awaits it again, unless the call ends before that
      return { held, pending };
    }
    if (!chunk.done) attempt.responseBytes += chunk.value.length;
    const passed = opening.outlet.pass(
      chunk.done ? opening.frames.rest() : opening.frames.push(chunk.value),
    );
    const { kinds, fault } = passed;
    held.push(passed);
    if (fault && !kinds.includes("content")) return fault;
    if (commits(kinds, opening)) return { held, pending: null };
    if (kinds.includes("error")) return faultOf(opening.tap, attempt);
    if (chunk.done || kinds.includes("terminal")) return failure("empty_stream", attempt.status);
    if (attempt.responseBytes > maxResponseBytes) {
      return failure("upstream_bad_response", attempt.status);
    }
    if (kinds.length > 0 && commitAt === Infinity) commitAt = parts.clock() + PREAMBLE_MS;
  }
}

/** A chunk, or `null` when it is time to commit without one. */
async function inTime(
  parts: Parts,
  call: Call,
  pending: Promise<Chunk>,
  commitAt: number,
): Promise<Chunk | null> {
  let ms = commitAt - parts.clock();
  for (;;) {
    const chunk = await orLate(parts.deadlines, pending, { ms, late: () => null });
    if (chunk !== null || !call.contested) return chunk;
    ms = PREAMBLE_MS;
  }
}

/** Content before an error in one batch is content all the same: it must reach the caller. */
function commits(kinds: readonly FrameKind[], { frames, tap }: Opening): boolean {
  const deciding = kinds.find((kind) =>
    kind === "content" || kind === "terminal" || kind === "error"
  );
  if (deciding === "terminal") return saysHowItEnded(tap.facts());
  return deciding === "content" || frames.overflowed;
}

/** A reply without content says at least why; an end alone is no reply. */
function saysHowItEnded({ finishReason, usage }: ReplyFacts): boolean {
  return finishReason !== null || usage !== null;
}

/** What an error event of a provider means. */
export function faultOf(tap: Tap, attempt: Attempt): UpstreamError {
  const event = tap.fault();
  attempt.told = upstreamDetails(event ?? undefined);
  return classifyEvent(event, attempt.status ?? 200);
}
