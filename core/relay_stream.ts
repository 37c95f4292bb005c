import { keepPin } from "./pins.ts";
import { replyHeaders } from "./answer.ts";
import { endAttempt } from "./attempt.ts";
import { type Call, type Cut, cutError, type Parts } from "./call.ts";
import type { Chunk } from "./chunk_reader.ts";
import type { Deadline } from "./deadlines.ts";
import { asGatewayError, type GatewayError } from "./errors.ts";
import { faultOf, type StreamReply } from "./open_stream.ts";
import type { PassedBatch } from "./outlet.ts";
import { settle } from "./settle.ts";
import { NetworkError } from "./upstream.ts";
import { failure, type UpstreamError } from "./upstream_error.ts";
import { upstreamFailure } from "./upstream_failure.ts";

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

/** Whether a batch may settle the call. */
function ends({ kinds, fault }: PassedBatch): boolean {
  return fault !== null || kinds.includes("terminal") || kinds.includes("error");
}

const NOTHING = new Uint8Array(0);
/** Silence after which a stream that may be added to is kept open by a frame, ms. */
const KEEP_ALIVE_MS = 15_000;

/** One stream on its way: ends once, however it ends, and settles the call as it does. */
class StreamRelay {
  readonly #parts: Parts;
  readonly #call: Call;
  readonly #reply: StreamReply;
  readonly #held: PassedBatch[];
  #pending: StreamReply["pending"];
  #ended = false;
  #idle: Deadline | null = null;
  #keepingAlive: Deadline | null = null;
  /** When the caller last got something. */
  #gaveAt: number;
  /** Since when the provider is waited for; `null` while the caller is. */
  #waitingSince: number | null = null;
  #silent = false;

  constructor(parts: Parts, call: Call, reply: StreamReply) {
    this.#parts = parts;
    this.#call = call;
    this.#reply = reply;
    this.#held = [...reply.held];
    this.#pending = reply.pending;
    this.#gaveAt = parts.clock();
  }

  start(controller: Controller): void {
    this.#call.onCut = () => this.#cut(controller);
    if (this.#call.cut !== null) this.#cut(controller);
    else {
      this.#watchSilence();
      this.#keepAlive(controller);
    }
  }

  /** Gives the caller something, or ends. */
  async pull(controller: Controller): Promise<void> {
    try {
      while (!this.#ended) {
        const next = this.#held.shift() ?? this.#passed(await this.#read());
        if (next === null) return await this.#close(controller);
        if (ends(next) ? await this.#end(next, controller) : this.#pass(next, controller)) return;
      }
    } catch (error) {
      this.#break(controller, this.#failure(error), error);
    }
  }

  /** The caller is gone. */
  leave(): void {
    if (this.#call.cut === null) this.#call.cut = "caller-gone";
    this.#finish(499, cutError("caller-gone"), null);
  }

  #read(): Promise<Chunk> {
    this.#waitingSince = this.#parts.clock();
    return this.#pending ?? this.#reply.source.read();
  }

  /** What the caller gets of a chunk; `null` at the end. */
  #passed(chunk: Chunk): PassedBatch | null {
    this.#waitingSince = null;
    this.#pending = null;
    if (chunk.done) return null;
    const { frames, outlet, attempt } = this.#reply;
    attempt.responseBytes += chunk.value.length;
    return outlet.pass(frames.push(chunk.value));
  }

  /** Gives the caller a batch; whether it got something, or nothing follows. */
  #pass(passed: PassedBatch, controller: Controller): boolean {
    this.#note(passed);
    this.#give(controller, passed.bytes);
    return passed.bytes.length > 0 || this.#ended;
  }

  /** The record is written before the bytes that tell the caller that its call is complete. */
  async #end(passed: PassedBatch, controller: Controller): Promise<boolean> {
    this.#note(passed);
    const { outlet, status } = this.#reply;
    const error = this.#streamError(passed);
    const told = error && upstreamFailure(this.#call, error);
    if (error && told) await this.#finish(told.status, told, error);
    else if (passed.kinds.includes("terminal")) await this.#finish(status, null, null);
    this.#give(controller, passed.bytes);
    if (told && !outlet.passesErrors) this.#tell(controller, told);
    return passed.bytes.length > 0 || this.#ended;
  }

  #give(controller: Controller, bytes: Uint8Array<ArrayBuffer>): void {
    if (bytes.length === 0) return;
    const now = this.#parts.clock();
    this.#call.firstByteOutAt ??= now;
    this.#gaveAt = now;
    controller.enqueue(bytes);
  }

  #note({ kinds, bytes }: PassedBatch): void {
    if (this.#call.firstContentAt !== null) return;
    const unread = this.#reply.frames.overflowed && bytes.length > 0;
    if (!kinds.includes("content") && !unread) return;
    this.#call.firstContentAt = this.#parts.clock();
    this.#reply.attempt.deadline?.cancel();
    keepPin(this.#parts, this.#call);
  }

  async #close(controller: Controller): Promise<void> {
    const { frames, outlet, status } = this.#reply;
    const passed = outlet.close(frames.rest());
    if (passed === null || passed.fault) {
      return this.#break(controller, passed?.fault ?? failure("upstream_network", 200));
    }
    await this.#finish(status, null, null);
    this.#give(controller, passed.bytes);
    this.#rest();
    controller.close();
  }

  /** Ends a stream that cannot go on with the dialect's own error. */
  #break(controller: Controller, error: UpstreamError | null, thrown?: unknown): void {
    if (this.#ended) return;
    if (this.#call.settled) return this.#stopWith(controller);
    const { cut } = this.#call;
    if (cut !== null) return this.#cut(controller);
    const told = error ? upstreamFailure(this.#call, error) : asGatewayError(thrown);
    this.#finish(told.status, told, error);
    this.#tell(controller, told);
  }

  /** `null` when the fault is ours. */
  #failure(thrown: unknown): UpstreamError | null {
    if (!(thrown instanceof NetworkError)) return null;
    const late = this.#silent || this.#reply.attempt.timedOut;
    return failure(late ? "upstream_timeout" : "upstream_network", 200);
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
    controller.enqueue(this.#reply.outlet.fail(error, this.#call.id));
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
    this.#keepingAlive?.cancel();
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

  #streamError({ kinds, fault }: PassedBatch): UpstreamError | null {
    if (this.#call.settled) return null;
    const { tap, attempt } = this.#reply;
    return fault ?? (kinds.includes("error") ? faultOf(tap, attempt) : null);
  }

  /** Keeps a silent stream open, where it may be added to. */
  #keepAlive(controller: Controller): void {
    const { outlet } = this.#reply;
    if (outlet.keepAlive() === null) return;
    const look = () => {
      const quiet = this.#parts.clock() - this.#gaveAt;
      if (quiet < KEEP_ALIVE_MS) return wait(KEEP_ALIVE_MS - quiet);
      if (this.#waitingSince !== null) this.#give(controller, outlet.keepAlive() ?? NOTHING);
      wait(KEEP_ALIVE_MS);
    };
    const wait = (ms: number) => void (this.#keepingAlive = this.#parts.deadlines.set(ms, look));
    wait(KEEP_ALIVE_MS);
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
