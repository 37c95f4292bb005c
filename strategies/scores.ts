import { expectedCostNusd } from "../core/expected_cost.ts";
import type { RouteContext, TargetView } from "../core/strategy.ts";
import type { ScoreName } from "./score_expression.ts";
import type { ScoreOptions } from "./score_options.ts";

/** What is unknown of every target counts as this. */
const NOTHING_KNOWN = 0.5;

/** What is unknown of a target: a list with `null` in it takes longer than one of numbers alone. */
const UNKNOWN = NaN;

const COMPLEXITY = { trivial: 0, standard: 1, complex: 2, extreme: 3 } as const;

/** Whether too little is known of a target for its scores to count. */
export function isCold({ signals }: TargetView, { min_observations }: ScoreOptions): boolean {
  return signals.observations < min_observations;
}

/**
 * One score of each target, in [0, 1], in the order of the targets; what is unknown of a target is
 * the mean of what is known of the others.
 */
export function scoresOf(
  name: ScoreName,
  context: RouteContext,
  { signals }: ScoreOptions,
): readonly number[] {
  const { targets } = context;
  switch (name) {
    case "cost_score":
      return known(
        signals.cost.enabled,
        relativeLow(targets.map((target) => expectedCostNusd(context, target) ?? UNKNOWN)),
      );
    case "latency_score":
      return known(
        signals.observed_performance.enabled,
        relativeLow(targets.map(({ signals }) => signals.p95LatencyMs ?? UNKNOWN)),
      );
    case "throughput_score":
      return known(
        signals.observed_performance.enabled,
        relativeHigh(targets.map(({ signals }) => signals.outputTokensPerSec ?? UNKNOWN)),
      );
    case "reliability_score":
      return known(
        signals.observed_performance.enabled,
        targets.map(({ signals }) => (signals.successes + 1) / (signals.observations + 2)),
      );
    case "load_score": {
      const least = Math.min(...targets.map(({ signals }) => signals.inflight));
      return targets.map(({ signals }) => (1 + least) / (1 + signals.inflight));
    }
    case "eval_quality_score":
      return known(
        signals.evaluation_metadata.enabled,
        targets.map(({ validation }) =>
          validation?.qualityScore ?? validation?.passRate ?? UNKNOWN
        ),
      );
    case "complexity_score":
      return known(
        signals.complexity.enabled,
        targets.map(() => COMPLEXITY[context.features.complexity] / 3),
      );
  }
}

/** The lowest value over each; 1 for 0. */
function relativeLow(values: readonly number[]): readonly number[] {
  let least = Infinity;
  for (const value of values) if (value < least) least = value;
  return values.map((value) => value === 0 ? 1 : least / value);
}

/** Each value over the highest; 1 when that is 0. */
function relativeHigh(values: readonly number[]): readonly number[] {
  let most = -Infinity;
  for (const value of values) if (value > most) most = value;
  return values.map((value) => value === 0 && most === 0 ? 1 : value / most);
}

function known(enabled: boolean, scores: readonly number[]): readonly number[] {
  if (!enabled) return scores.map(() => NOTHING_KNOWN);
  let sum = 0;
  let count = 0;
  for (const score of scores) {
    if (Number.isNaN(score)) continue;
    sum += score;
    count += 1;
  }
  if (count === scores.length) return scores;
  const mean = count === 0 ? NOTHING_KNOWN : sum / count;
  return scores.map((score) => Number.isNaN(score) ? mean : score);
}
