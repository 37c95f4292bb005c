import { SlidingWindow } from "./sliding_window.ts";

/** Limits that open and close a target's breaker; times in ms, `errorRate` 0..1. */
export interface BreakerOptions {
  readonly enabled: boolean;
  readonly consecutiveFailures: number;
  readonly errorRate: number;
  readonly minRequests: number;
  readonly windowMs: number;
  readonly openMs: number;
  readonly multiplier: number;
  readonly maxOpenMs: number;
  readonly accessOpenMs: number;
  readonly halfOpenProbes: number;
}

/** How a target stands: `half_open` lets one call at a time try it again. */
export type BreakerState = "closed" | "open" | "half_open";

/** How an attempt ended, as far as a breaker cares. */
export type BreakerOutcome = "success" | "failure" | "opens" | "none";

const SLICES = 10;

/**
 * Opens after failures in a row, or after too large a share of failures in the window, or at once
 * when access is denied; then lets probes through. All times are ms of one monotonic clock.
 */
export class Breaker {
  #attempts = newWindow();
  #consecutive = 0;
  #openings = 0;
  #openUntil: number | null = null;
  #probes = 0;

  state(now: number): BreakerState {
    if (this.#openUntil === null) return "closed";
    return now < this.#openUntil ? "open" : "half_open";
  }

  /** When an open breaker lets a probe through; `null` when closed. */
  get until(): number | null {
    return this.#openUntil;
  }

  /** Whether calls should go elsewhere: open, or half open with all its probes under way. */
  isBarred(options: BreakerOptions, now: number): boolean {
    const state = this.state(now);
    return state === "open" || (state === "half_open" && this.#probes >= options.halfOpenProbes);
  }

  /** Takes a place as probe of a half-open target; the attempt's outcome gives it back. */
  claimProbe(options: BreakerOptions, now: number): boolean {
    if (this.state(now) !== "half_open" || this.#probes >= options.halfOpenProbes) return false;
    this.#probes += 1;
    return true;
  }

  /** Gives a probe's place back; its outcome, if it had one, was recorded. */
  releaseProbe(): void {
    this.#probes = Math.max(0, this.#probes - 1);
  }

  /**
   * Counts the end of an attempt.
   *
   * @param random in [0, 1): spreads the end of the open time by 10 % either way
   * @returns what changed, for the log
   */
  record(
    outcome: BreakerOutcome,
    probe: boolean,
    at: { readonly options: BreakerOptions; readonly now: number; readonly random: number },
  ): "opened" | "closed" | null {
    if (!at.options.enabled || outcome === "none") return null;
    if (outcome === "success") return this.#succeed(probe, at);
    if (outcome === "opens") return this.#open(at.options.accessOpenMs, at);
    this.#consecutive += 1;
    this.#count(at, true);
    const failing = probe || this.#consecutive >= at.options.consecutiveFailures ||
      this.#tooMany(at);
    return failing ? this.#open(this.#openTime(at.options, at.now), at) : null;
  }

  #succeed(probe: boolean, at: At): "closed" | null {
    this.#consecutive = 0;
    this.#count(at, false);
    if (!probe || this.#openUntil === null) return null;
    this.#openUntil = null;
    this.#openings = 0;
    this.#attempts = newWindow();
    return "closed";
  }

  /** Each opening lasts longer than the one before; failures while it lasts are part of it. */
  #openTime(options: BreakerOptions, now: number): number {
    const before = this.state(now) === "open" ? this.#openings - 1 : this.#openings;
    return Math.min(options.maxOpenMs, options.openMs * options.multiplier ** before);
  }

  /** A later opening only extends. */
  #open(ms: number, { now, random }: { now: number; random: number }): "opened" | null {
    const wasOpen = this.state(now) === "open";
    if (!wasOpen) this.#openings += 1;
    this.#openUntil = Math.max(this.#openUntil ?? 0, now + ms * (0.9 + 0.2 * random));
    return wasOpen ? null : "opened";
  }

  #count({ options, now }: At, failed: boolean): void {
    const counts = this.#attempts.current(options.windowMs, now);
    counts.requests += 1;
    if (failed) counts.failures += 1;
  }

  #tooMany({ options, now }: At): boolean {
    const recent = this.#attempts.counts(options.windowMs, now);
    const requests = recent.reduce((sum, counts) => sum + counts.requests, 0);
    const failures = recent.reduce((sum, counts) => sum + counts.failures, 0);
    return requests >= options.minRequests && failures / requests >= options.errorRate;
  }
}

interface At {
  readonly options: BreakerOptions;
  readonly now: number;
}

function newWindow() {
  return new SlidingWindow(SLICES, () => ({ requests: 0, failures: 0 }));
}
