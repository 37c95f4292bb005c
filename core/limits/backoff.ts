/** Kinds of refusals a provider makes us wait for. */
export type BackoffKind = "429" | "quota";

/** How long to stay away; times in ms. */
export interface BackoffOptions {
  readonly minMs: number;
  readonly maxMs: number;
  readonly multiplier: number;
  readonly honorRetryAfter: boolean;
}

/** A trigger long after the last one begins anew: this many times the longest wait. */
const FORGET = 10;

/**
 * Keeps attempts away from a provider that refuses them: longer each time, then lets one probe
 * through. All times are ms of one monotonic clock.
 */
export class Backoff {
  #until = 0;
  #step = 0;
  #triggeredAt = -Infinity;
  #probing = false;

  /** Time until an attempt may pass, ms; 0 now. While a probe is under way it is its own wait. */
  waitMs(options: BackoffOptions, now: number): number {
    if (now < this.#until) return Math.ceil(this.#until - now);
    return this.#probing ? options.minMs : 0;
  }

  /** When it lets attempts through; `null` when it is not cooling. */
  until(now: number): number | null {
    return now < this.#until ? this.#until : null;
  }

  /** Whether the next attempt would be its probe. */
  isProbeDue(now: number): boolean {
    return this.#until !== 0 && !this.#probing && now >= this.#until;
  }

  /** Takes the place of the probe if one is due; its end gives it back. */
  claim(now: number): boolean {
    return this.isProbeDue(now) && (this.#probing = true);
  }

  /** The provider refused an attempt that began at a time; `random` in [0, 1) spreads the end upwards. */
  trigger(
    options: BackoffOptions,
    at: {
      readonly now: number;
      readonly startedAt: number;
      readonly hintMs: number | null;
      readonly random: number;
    },
  ): void {
    const { now, startedAt, hintMs, random } = at;
    if (now - this.#triggeredAt >= FORGET * options.maxMs) this.#step = 0;
    else if (startedAt >= this.#triggeredAt) this.#step += 1;
    const grown = options.minMs * options.multiplier ** this.#step;
    const asked = options.honorRetryAfter && hintMs !== null ? hintMs : grown;
    const wait = Math.min(options.maxMs, Math.max(options.minMs, asked));
    this.#until = Math.max(this.#until, now + wait * (1 + 0.2 * random));
    this.#triggeredAt = now;
  }

  /** A probe ended: with content all is well again; else the next attempt probes. */
  release(reached: boolean): void {
    this.#probing = false;
    if (!reached) return;
    this.#until = 0;
    this.#step = 0;
    this.#triggeredAt = -Infinity;
  }
}
