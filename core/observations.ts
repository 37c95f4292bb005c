import { count, type Histogram, histogram, quantile } from "./histogram.ts";
import { SlidingWindow } from "./sliding_window.ts";
import type { TargetSignals } from "./strategy.ts";

/** How one attempt went; times in ms. */
export interface Observation {
  readonly outcome: "success" | "error" | "timeout";
  /** From the start of the attempt to its last byte. */
  readonly latencyMs: number;
  /** From the start of the attempt to the first content; `null` when there was none. */
  readonly ttfbMs: number | null;
  /** As the provider reported them; `null` when it did not. */
  readonly usage: {
    readonly input: number;
    readonly cachedInput: number;
    readonly output: number;
  } | null;
}

/** What the observed attempts of a target say. */
export type Observed = Omit<
  TargetSignals,
  "inputTokenRatio" | "inflight" | "breaker" | "breakerUntil" | "backoffUntil"
>;

/** Attempts older than this are forgotten, ms. */
export const WINDOW_MS = 600_000;

const SLICES = 12;

/** Summing up costs more than a decision: an answer may be this old, ms. */
const FRESH_MS = 250;

interface Counts {
  readonly latency: Histogram;
  readonly ttfb: Histogram;
  readonly rate: Histogram;
  successes: number;
  errors: number;
  timeouts: number;
  reported: number;
  input: number;
  cachedInput: number;
  output: number;
}

/** Nothing was observed. */
export const NOTHING_OBSERVED: Observed = Object.freeze({
  observations: 0,
  successes: 0,
  p50LatencyMs: null,
  p95LatencyMs: null,
  p50TtfbMs: null,
  outputTokensPerSec: null,
  errorRate: null,
  timeoutRate: null,
  meanOutputTokens: null,
  cachedInputShare: null,
});

interface Summary {
  readonly observed: Observed;
  readonly p95TtfbMs: number | null;
}

const NOTHING: Summary = { observed: NOTHING_OBSERVED, p95TtfbMs: null };

/** The attempts of a target over a sliding window of ten minutes. All times are monotonic ms. */
export class Observations {
  readonly #window = new SlidingWindow(SLICES, emptyCounts);
  #summary: Summary = NOTHING;
  #summedAt = -Infinity;
  #changed = false;

  /** Counts an attempt. */
  add(observation: Observation, now: number): void {
    const counts = this.#window.current(WINDOW_MS, now);
    this.#changed = true;
    if (observation.outcome === "success") return succeed(counts, observation);
    if (observation.outcome === "timeout") counts.timeouts += 1;
    counts.errors += 1;
  }

  /** What the window says; at most a quarter of a second old. */
  observed(now: number): Observed {
    return this.#summed(now).observed;
  }

  /** 95th percentile of the time to the first content, ms; `null` when there was none. */
  p95TtfbMs(now: number): number | null {
    return this.#summed(now).p95TtfbMs;
  }

  #summed(now: number): Summary {
    const passed = this.#window.hasPassed(WINDOW_MS, now);
    if (!passed && (!this.#changed || now - this.#summedAt < FRESH_MS)) return this.#summary;
    this.#summary = summaryOf(this.#window.counts(WINDOW_MS, now));
    this.#summedAt = now;
    this.#changed = false;
    return this.#summary;
  }
}

function emptyCounts(): Counts {
  return {
    latency: histogram(),
    ttfb: histogram(),
    rate: histogram(),
    successes: 0,
    errors: 0,
    timeouts: 0,
    reported: 0,
    input: 0,
    cachedInput: 0,
    output: 0,
  };
}

function succeed(counts: Counts, { latencyMs, ttfbMs, usage }: Observation): void {
  counts.successes += 1;
  count(counts.latency, latencyMs);
  if (ttfbMs !== null) count(counts.ttfb, ttfbMs);
  if (usage === null) return;
  counts.reported += 1;
  counts.input += usage.input;
  counts.cachedInput += usage.cachedInput;
  counts.output += usage.output;
  const writingMs = latencyMs - (ttfbMs ?? 0);
  if (usage.output > 0 && writingMs > 0) count(counts.rate, usage.output * 1_000 / writingMs);
}

function summaryOf(slices: readonly Counts[]): Summary {
  const sum = (
    key: "successes" | "errors" | "timeouts" | "reported" | "input" | "cachedInput" | "output",
  ) => slices.reduce((total, slice) => total + slice[key], 0);
  const merged = (key: "latency" | "ttfb" | "rate") => {
    const all = histogram();
    for (const slice of slices) for (let i = 0; i < all.length; i++) all[i]! += slice[key][i] ?? 0;
    return all;
  };
  const observations = sum("successes") + sum("errors");
  if (observations === 0) return NOTHING;
  const latency = merged("latency");
  const ttfb = merged("ttfb");
  const observed = {
    observations,
    successes: sum("successes"),
    p50LatencyMs: whole(quantile(latency, 0.5)),
    p95LatencyMs: whole(quantile(latency, 0.95)),
    p50TtfbMs: whole(quantile(ttfb, 0.5)),
    outputTokensPerSec: whole(quantile(merged("rate"), 0.5)),
    errorRate: share(sum("errors"), observations),
    timeoutRate: share(sum("timeouts"), observations),
    meanOutputTokens: sum("reported") === 0 ? null : Math.round(sum("output") / sum("reported")),
    cachedInputShare: share(sum("cachedInput"), sum("input")),
  };
  return { observed, p95TtfbMs: whole(quantile(ttfb, 0.95)) };
}

function whole(value: number | null): number | null {
  return value === null ? null : Math.round(value);
}

/** Four decimals; `null` of nothing. */
function share(part: number, all: number): number | null {
  return all === 0 ? null : Math.round(10_000 * part / all) / 10_000;
}
