import { replyHeaders } from "./answer.ts";
import { endAttempt } from "./attempt.ts";
import { type Call, type Cut, cutError, type Parts } from "./call.ts";
import type { Deadline } from "./deadlines.ts";
import { asGatewayError, type GatewayError } from "./errors.ts";
import { type ReadBatch, type StreamReply, tapBatch } from "./open_stream.ts";
import { upstreamFailure } from "./send.ts";
import { settle } from "./settle.ts";
import { classifyEvent, failure, type UpstreamError } from "./upstream_error.ts";

type Controller = ReadableStreamDefaultController<Uint8Array<ArrayBuffer>>;

/** Relays a committed stream: frames pass as they came, the tap reads beside them. */
export function relayStream(parts: Parts, call: Call, reply: StreamReply): Response {
  const relay = new StreamRelay(parts, call, reply);
  const body = new ReadableStream<Uint8Array<ArrayBuffer>>({
    start: (controller) => relay.start(controller),
    pull: (controller) => relay.pull(controller),
    cancel: () => relay.leave(),
  }, { highWaterMark: 0 });
  const headers = {
    ...replyHeaders(parts, call, "text/event-stream"),
    "cache-control": "no-cache",
    "x-accel-buffering": "no",
  };
  return new Response(body, { status: reply.status, headers });
}

const encoder = new TextEncoder();

/** One stream on its way: ends once, however it ends, and settles the call as it does. */
class StreamRelay {
  readonly #parts: Parts;
  readonly #call: Call;
  readonly #reply: StreamReply;
  readonly #held: ReadBatch[];
  #pending: StreamReply["pending"];
  #ended = false;
  #idle: Deadline | null = null;
  /** Since when the provider is waited for; `null` while the caller is. */
  #waitingSince: number | null = null;
  #silent = false;

  constructor(parts: Parts, call: Call, reply: StreamReply) {
    this.#parts = parts;
    this.#call = call;
    this.#reply = reply;
    this.#held = [...reply.held];
    this.#pending = reply.pending;
  }

  start(controller: Controller): void {
    this.#call.onCut = () => this.#cut(controller);
    if (this.#call.cut !== null) this.#cut(controller);
    else this.#watchSilence();
  }

  /** Gives the caller something, or ends. */
  async pull(controller: Controller): Promise<void> {
    try {
      while (!this.#ended) {
        const batch = this.#held.shift() ?? await this.#read();
        if (batch === null) return await this.#close(controller);
        if (await this.#pass(batch, controller)) return;
      }
    } catch (error) {
      this.#break(controller, error);
    }
  }

  /** The caller is gone. */
  leave(): void {
    if (this.#call.cut === null) this.#call.cut = "caller-gone";
    this.#finish(499, cutError("caller-gone"), null);
  }

  async #read(): Promise<ReadBatch | null> {
    const { source, frames, tap, attempt } = this.#reply;
    this.#waitingSince = this.#parts.clock();
    const chunk = await (this.#pending ?? source.read());
    this.#waitingSince = null;
    this.#pending = null;
    if (chunk.done) return null;
    attempt.responseBytes += chunk.value.length;
    return tapBatch(tap, frames.push(chunk.value));
  }

  /** The record is written before the bytes that tell the caller that its call is complete. */
  async #pass(batch: ReadBatch, controller: Controller): Promise<boolean> {
    this.#note(batch);
    const error = batch.kinds.includes("error") ? this.#streamError() : null;
    const told = error && upstreamFailure(this.#call, error);
    if (error && told) await this.#finish(told.status, told, error);
    else if (batch.kinds.includes("terminal")) await this.#finish(this.#reply.status, null, null);
    const bytes = passing(batch);
    if (bytes.length === 0) return false;
    this.#call.firstByteOutAt ??= this.#parts.clock();
    controller.enqueue(bytes);
    return true;
  }

  #note({ kinds, bytes }: ReadBatch): void {
    if (this.#call.firstContentAt !== null) return;
    const unread = this.#reply.frames.overflowed && bytes.length > 0;
    if (!kinds.includes("content") && !unread) return;
    this.#call.firstContentAt = this.#parts.clock();
    this.#reply.attempt.deadline?.cancel();
  }

  async #close(controller: Controller): Promise<void> {
    const { frames, tap, status } = this.#reply;
    const rest = tapBatch(tap, frames.rest());
    const whole = tap.complete() || frames.overflowed;
    if (whole) {
      await this.#finish(status, null, null);
      const bytes = passing(rest);
      if (rest.kinds.includes("terminal")) controller.enqueue(bytes);
      this.#rest();
      return controller.close();
    }
    this.#break(controller, null);
  }

  /** Ends a stream that cannot go on with the dialect's own error. */
  #break(controller: Controller, thrown: unknown): void {
    if (this.#ended) return;
    if (this.#call.settled) return this.#stopWith(controller);
    const { cut } = this.#call;
    if (cut !== null) return this.#cut(controller);
    const error = this.#failureOf(thrown);
    const told = error ? upstreamFailure(this.#call, error) : asGatewayError(thrown);
    this.#finish(told.status, told, error);
    this.#tell(controller, told);
  }

  /** `null` when the fault is ours. */
  #failureOf(thrown: unknown): UpstreamError | null {
    if (this.#silent || this.#reply.attempt.timedOut) return failure("upstream_timeout", 200);
    if (thrown instanceof ReferenceError || thrown instanceof RangeError) return null;
    return failure("upstream_network", 200);
  }

  #cut(controller: Controller): void {
    const cut: Cut = this.#call.cut ?? "caller-gone";
    const error = cutError(cut);
    this.#finish(error.status, error, null);
    if (cut === "caller-gone") return this.#stop();
    this.#tell(controller, error);
  }

  #tell(controller: Controller, error: GatewayError): void {
    if (this.#ended) return;
    // What flowed unread may have stopped inside a frame.
    const apart = this.#reply.frames.overflowed ? "\n\n" : "";
    const frame = this.#reply.tap.errorFrame(error, this.#call.id);
    controller.enqueue(encoder.encode(apart + frame));
    this.#stopWith(controller);
  }

  #stopWith(controller: Controller): void {
    if (this.#ended) return;
    this.#stop();
    controller.close();
  }

  /** Ends, and the provider with it. */
  #stop(): void {
    this.#rest();
    this.#reply.attempt.abort.abort();
    // An abort alone does not end a body that nobody is reading now.
    this.#reply.source.cancel();
  }

  #rest(): void {
    this.#ended = true;
    this.#idle?.cancel();
  }

  /** Settles, once. A provider that has said all it had to say needs no cancelling. */
  #finish(
    status: number,
    error: GatewayError | null,
    upstream: UpstreamError | null,
  ): Promise<void> | undefined {
    if (this.#call.settled) {
      if (this.#call.cut !== null) this.#stop();
      return undefined;
    }
    const { attempt, tap } = this.#reply;
    const facts = tap.facts();
    attempt.facts = facts;
    endAttempt(this.#parts, this.#call, attempt, upstream);
    const partial = error !== null && this.#call.firstContentAt !== null;
    const durable = settle(this.#parts, this.#call, { status, error, partial, facts });
    if (this.#call.cut === "caller-gone") this.#stop();
    return durable;
  }

  #streamError(): UpstreamError | null {
    return this.#call.settled ? null : classifyEvent(this.#reply.tap.fault(), 200);
  }

  /** One deadline for the whole stream: it looks again when a chunk has come since. */
  #watchSilence(): void {
    const limit = this.#call.group?.streamIdleTimeoutMs ?? 0;
    if (limit === 0) return;
    const look = () => {
      const quiet = this.#waitingSince === null ? 0 : this.#parts.clock() - this.#waitingSince;
      if (quiet < limit) return wait(limit - quiet);
      this.#silent = true;
      this.#reply.attempt.abort.abort();
    };
    const wait = (ms: number) => void (this.#idle = this.#parts.deadlines.set(ms, look));
    wait(limit);
  }
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
