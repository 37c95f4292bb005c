import { isObject } from "./json.ts";

/** An average that starts at a guess and learns from each value, the first ones most. */
interface Learned {
  readonly ratio: number;
  /** How far values lie from the average, as a share of it. */
  readonly deviation: number;
  /** Values so far. */
  readonly count: number;
}

/** What is known of a target's tokenizer. */
export interface TargetCalibration {
  /** Real input tokens per estimated one. */
  readonly input: Learned;
  /** UTF-8 bytes of content per output token. */
  readonly output: Learned;
}

/** How sure an estimate is: the margin it needs. */
export type Confidence = "high" | "medium" | "low";

/** The input tokens of a call as estimated for a group. */
export interface TokenEstimate {
  /** What eligibility, policies and telemetry use: it depends on the request and the group alone. */
  readonly base: number;
  /** The largest a target is expected to count. */
  readonly plain: number;
  /** The largest with its margin: what is reserved. */
  readonly upper: number;
  /** That of the target the upper estimate is for. */
  readonly confidence: Confidence;
}

/** What an attempt is charged with where its provider reports nothing. */
export interface TargetEstimate {
  /** Input tokens. */
  readonly input: number;
  readonly bytesPerOutputToken: number;
}

/** A request, as far as its estimate depends on it. */
export interface Estimated {
  /** The estimate by characters, tokens. */
  readonly base: number;
  /** Whether it holds images, audio or files: their tokens are known less well. */
  readonly hasMedia: boolean;
}

/** Where what was learned outlives the process; never waited for by a call. */
export interface CalibrationStore {
  /** Writes what is left. Never throws. */
  close(): Promise<void>;
}

const MARGINS: Readonly<Record<Confidence, number>> = { high: 1.05, medium: 1.15, low: 1.25 };
const LOWER = { high: "medium", medium: "low", low: "low" } as const;

/** Shorter requests say more about the frame around them than about the tokenizer, tokens. */
const LEAST_INPUT = 64;
/** Shorter replies are mostly rounding, tokens. */
const LEAST_OUTPUT = 16;
/** The weight of a new value once many are known. */
const LEAST_WEIGHT = 0.05;

/** What no tokenizer goes beyond. */
const INPUT_RATIOS = [0.5, 2] as const;
const OUTPUT_RATIOS = [1.5, 8] as const;

const UNKNOWN: TargetCalibration = Object.freeze({
  input: Object.freeze({ ratio: 1, deviation: 0.25, count: 0 }),
  output: Object.freeze({ ratio: 4, deviation: 0.25, count: 0 }),
});

/**
 * Learns from reported usage how the tokenizer of each target differs from the estimate. A target is
 * known by its key: provider, model and dialect.
 *
 * @example Usage
 * ```ts
 * import { Calibration } from "@/core/calibration.ts";
 *
 * const calibration = new Calibration();
 * calibration.learnInput("acme/swift", { base: 100, hasMedia: false }, 130);
 * if (calibration.inputTokenRatio("acme/swift") !== 1.3) throw new Error("Cannot learn");
 * ```
 */
export class Calibration {
  readonly #targets = new Map<string, TargetCalibration>();
  #changed = new Set<string>();

  of(key: string): TargetCalibration {
    return this.#targets.get(key) ?? UNKNOWN;
  }

  /** Real input tokens per estimated one, four decimals; `null` before a call told. */
  inputTokenRatio(key: string): number | null {
    const { ratio, count } = this.of(key).input;
    return count === 0 ? null : Math.round(ratio * 10_000) / 10_000;
  }

  /** The estimate for a group's targets: the largest of each. */
  estimate(targets: readonly { readonly key: string }[], request: Estimated): TokenEstimate {
    let [plain, upper] = [0, 0];
    let confidence: Confidence = "low";
    for (const { key } of targets) {
      const { ratio } = this.of(key).input;
      const most = this.upper(key, request);
      plain = Math.max(plain, Math.ceil(request.base * ratio));
      if (most <= upper) continue;
      upper = most;
      confidence = this.#confidence(key, request);
    }
    return { base: request.base, plain, upper, confidence };
  }

  /** The most input tokens a target is expected to count. */
  upper(key: string, request: Estimated): number {
    const margin = MARGINS[this.#confidence(key, request)];
    return Math.ceil(request.base * this.of(key).input.ratio * margin);
  }

  /** What a target is expected to count. */
  plain(key: string, { base }: Pick<Estimated, "base">): TargetEstimate {
    const { input, output } = this.of(key);
    return { input: Math.ceil(base * input.ratio), bytesPerOutputToken: output.ratio };
  }

  /** Takes the input tokens that a provider reported for a request. */
  learnInput(key: string, { base, hasMedia }: Estimated, actual: number): void {
    if (hasMedia || base < LEAST_INPUT) return;
    const { input, output } = this.of(key);
    this.#set(key, { input: learned(input, clamp(actual / base, ...INPUT_RATIOS)), output });
  }

  /** Takes the output tokens that a provider reported for so many bytes of content. */
  learnOutput(key: string, bytes: number, actual: number): void {
    if (bytes === 0 || actual < LEAST_OUTPUT) return;
    const { input, output } = this.of(key);
    this.#set(key, { input, output: learned(output, clamp(bytes / actual, ...OUTPUT_RATIOS)) });
  }

  /** Takes what an earlier process knew; a value that nobody can have learned is passed over. */
  restore(key: string, known: unknown): void {
    if (isCalibration(known)) this.#targets.set(key, known);
  }

  /** What was learned since the last time this was asked. */
  takeChanged(): ReadonlyMap<string, TargetCalibration> {
    const changed = new Map([...this.#changed].map((key) => [key, this.of(key)]));
    this.#changed = new Set();
    return changed;
  }

  /** Marks targets as changed again: they could not be stored. */
  giveBack(keys: Iterable<string>): void {
    for (const key of keys) this.#changed.add(key);
  }

  #set(key: string, known: TargetCalibration): void {
    this.#targets.set(key, known);
    this.#changed.add(key);
  }

  #confidence(key: string, { hasMedia }: Estimated): Confidence {
    const { count, deviation } = this.of(key).input;
    const found = count >= 50 && deviation <= 0.1
      ? "high"
      : count >= 10 && deviation <= 0.25
      ? "medium"
      : "low";
    return hasMedia ? LOWER[found] : found;
  }
}

function isCalibration(value: unknown): value is TargetCalibration {
  return isObject(value) && isLearned(value["input"], INPUT_RATIOS) &&
    isLearned(value["output"], OUTPUT_RATIOS);
}

function isLearned(value: unknown, [least, most]: readonly [number, number]): boolean {
  if (!isObject(value)) return false;
  const { ratio, deviation, count } = value;
  return typeof ratio === "number" && ratio >= least && ratio <= most &&
    typeof deviation === "number" && deviation >= 0 && typeof count === "number" && count >= 0;
}

/** An exponentially weighted moving average, of all values alike while they are few. */
function learned({ ratio, deviation, count }: Learned, value: number): Learned {
  const weight = Math.max(LEAST_WEIGHT, 1 / (count + 1));
  return {
    deviation: deviation + weight * (Math.abs(value / ratio - 1) - deviation),
    ratio: ratio + weight * (value - ratio),
    count: count + 1,
  };
}

function clamp(value: number, least: number, most: number): number {
  return Math.min(most, Math.max(least, value));
}
