import { Buffer } from "node:buffer";
import { isDeepStrictEqual } from "node:util";
import type { Deadlines } from "../../core/deadlines.ts";
import { EgressClient } from "../../core/egress_client.ts";
import type { Log } from "../../core/log.ts";
import { parseJson } from "../../core/parse_json.ts";
import type { FeedbackCounts } from "../../core/policy_runner.ts";
import type { FeedbackSettings } from "../../core/policy_settings.ts";
import type { Spool, SpooledLine } from "../../core/spool.ts";
import { within } from "../within.ts";

/** Longest wait between two tries, ms. */
const MAX_WAIT_MS = 60_000;

/** Nothing of the answer but its status is read. */
const MAX_ANSWER_BYTES = 65_536;

/** What delivery needs; `clock` is monotonic ms, `now` epoch ms. */
export interface FeedbackWorld {
  readonly log: Log;
  clock(): number;
  now(): number;
  readonly deadlines: Deadlines;
}

/**
 * Delivers lines to a policy's server, one after the other in their order, each at least once: a line
 * goes when it was taken with a 2xx, or is too old.
 */
export class Feedback {
  readonly #group: string;
  readonly #spool: Spool;
  readonly #world: FeedbackWorld;
  #settings: FeedbackSettings;
  #client: EgressClient;
  readonly #stop = new AbortController();
  #wake: (() => void) | null = null;
  #givenUp = 0;
  #failures = 0;

  constructor(group: string, settings: FeedbackSettings, spool: Spool, world: FeedbackWorld) {
    this.#settings = settings;
    this.#group = group;
    this.#spool = spool;
    this.#world = world;
    this.#client = new EgressClient(settings.egress);
    void this.#run();
  }

  get counts(): FeedbackCounts {
    const { dropped, bytes } = this.#spool;
    return { dropped: dropped + this.#givenUp, waitingBytes: bytes };
  }

  /** A line that is under way is sent again. */
  configure(settings: FeedbackSettings): void {
    if (isDeepStrictEqual(settings, this.#settings)) return;
    this.#settings = settings;
    this.#client[Symbol.dispose]();
    this.#client = new EgressClient(settings.egress);
    this.#wake?.();
  }

  /** Keeps a line; never throws. */
  feed(line: string): void {
    const { maxLineBytes, spoolBytes } = this.#settings;
    if (Buffer.byteLength(line) > maxLineBytes) this.#givenUp += 1;
    else this.#spool.append(line, spoolBytes);
    if (this.#failures === 0) this.#wake?.();
  }

  /** Stops delivering; what waits stays where it is. */
  close(): void {
    this.#stop.abort();
    this.#wake?.();
    this.#client[Symbol.dispose]();
    this.#spool[Symbol.dispose]();
  }

  async #run(): Promise<void> {
    // Whoever makes this has yet to keep it.
    await Promise.resolve();
    while (!this.#stop.signal.aborted) {
      // A disk that fails is tried again later, as a server is.
      await this.#step().catch(() => this.#pause(this.#nextWait()));
    }
  }

  async #step(): Promise<void> {
    const line = this.#spool.first();
    if (!line) await this.#pause(null);
    else if (this.#isOver(line)) this.#giveUp(line);
    else if (await this.#deliver(line)) this.#remove(line);
    else await this.#pause(this.#nextWait());
  }

  async #deliver({ text }: SpooledLine): Promise<boolean> {
    const { url, headers, timeoutMs } = this.#settings;
    const { deadlines } = this.#world;
    const limits = { ms: timeoutMs, deadlines, signal: this.#stop.signal };
    const request = {
      method: "POST",
      url,
      headers: { ...headers, "content-type": "application/json" },
      body: text,
      maxBytes: MAX_ANSWER_BYTES,
    } as const;
    try {
      const answer = await within(
        limits,
        (signal) => this.#client.send({ ...request, signal }),
      );
      const taken = answer?.kind === "answer" && answer.status >= 200 && answer.status < 300;
      if (taken) this.#failures = 0;
      return taken;
    } catch {
      // It stops.
      return false;
    }
  }

  #nextWait(): number {
    const { maxRetries, retryBackoffMs, logsFailure } = this.#settings;
    const wait = Math.min(MAX_WAIT_MS, retryBackoffMs * 2 ** Math.min(this.#failures, 30));
    this.#failures += 1;
    if (this.#failures === maxRetries + 1 && logsFailure && !this.#stop.signal.aborted) {
      const told = "A policy's server does not take what it is told; the lines wait";
      this.#world.log.write("warn", "policy_feedback_failed", told, { group: this.#group });
    }
    return wait;
  }

  #remove(line: SpooledLine): void {
    if (!this.#stop.signal.aborted) this.#spool.remove(line);
  }

  #giveUp(line: SpooledLine): void {
    this.#remove(line);
    this.#givenUp += 1;
  }

  /** Whether a line is too old, or is none of ours: a machine that lost power may have broken it. */
  #isOver({ text }: SpooledLine): boolean {
    const at = completedAtOf(text);
    return at === null || this.#world.now() - at > this.#settings.maxAgeMs;
  }

  /** Until it is woken, at most for so long. */
  async #pause(ms: number | null): Promise<void> {
    if (this.#stop.signal.aborted) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#wake = resolve;
    const deadline = ms === null ? null : this.#world.deadlines.set(ms, resolve);
    await promise;
    deadline?.cancel();
    this.#wake = null;
  }
}

/** Epoch ms; `null`: it cannot be read. */
function completedAtOf(text: string): number | null {
  try {
    const at: unknown = parseJson(text)?.completedAt;
    return typeof at === "number" ? at : null;
  } catch {
    return null;
  }
}
