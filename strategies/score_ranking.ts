import { memoOfObject } from "../core/memo.ts";
import type { RouteContext, ScoreSummand, TargetView } from "../core/strategy.ts";
import { readExpression, type ScoreName, type ScoreTerm } from "./score_expression.ts";
import type { ScoreOptions, ScoreThresholds, ScoreWhen } from "./score_options.ts";
import { isCold, scoresOf } from "./scores.ts";

const COMPLEXITIES = ["trivial", "standard", "complex", "extreme"];

/** Numbers of the targets, in their order. */
export interface Ranking {
  /** Weighted sums of scores, at least 0. */
  readonly raw: readonly number[];
  /** What decides: weights and scores in one. */
  readonly final: readonly number[];
  readonly cold: readonly boolean[];
}

/** Final scores: `(1 - p) * w / sum(w) + p * raw / sum(raw)`; the share of weight where that is all. */
export function rank(context: RouteContext, options: ScoreOptions): Ranking {
  const { targets } = context;
  const raw = rawScores(context, options);
  const cold = targets.map((target) => isCold(target, options));
  const p = options.max_score_adjustment_percent / 100;
  let weights = 0;
  for (const { weight } of targets) weights += weight;
  let rawSum = 0;
  for (const score of raw) rawSum += score;
  const final = targets.map(({ weight }, index) => {
    const share = weights === 0 ? 1 / targets.length : weight / weights;
    if (cold[index] || rawSum === 0) return share;
    return (1 - p) * share + p * raw[index]! / rawSum;
  });
  return { raw, final, cold };
}

function rawScores(context: RouteContext, options: ScoreOptions): readonly number[] {
  const summands = summandsOf(context, options);
  return context.targets.map((_, index) => {
    let sum = 0;
    for (const { coefficient, values } of summands) sum += coefficient * values[index]!;
    return Math.max(0, sum);
  });
}

/** What the scores are made of: the summands of all terms that count for this call, in their order. */
export function summandsOf(
  context: RouteContext,
  options: ScoreOptions,
): readonly ScoreSummand[] {
  const scores = new Map<ScoreName, readonly number[]>();
  const scoreOf = (name: ScoreName) => {
    const found = scores.get(name) ?? scoresOf(name, context, options);
    scores.set(name, found);
    return found;
  };
  const summands: ScoreSummand[] = [];
  for (const term of options.score_terms) {
    if (!holds(context, term.when)) continue;
    for (const { coefficient, score } of partsOf(term)) {
      const values = forTagged(term.require_tags, context.targets, scoreOf(score));
      summands.push({ term: term.name, score, coefficient, values });
    }
  }
  return summands;
}

type StatedTerm = ScoreOptions["score_terms"][number];

/** Read once each: options live as long as their snapshot. */
const partsOf = memoOfObject(({ expression }: StatedTerm): readonly ScoreTerm[] => {
  const read = readExpression(expression);
  return typeof read === "string" ? [] : read;
});

function forTagged(
  tags: readonly string[],
  targets: readonly TargetView[],
  values: readonly number[],
): readonly number[] {
  if (tags.length === 0) return values;
  return targets.map((target, index) =>
    tags.every((tag) => target.tags.includes(tag)) ? values[index]! : 0
  );
}

function holds({ features, caller, budget }: RouteContext, when: ScoreWhen | undefined): boolean {
  if (!when) return true;
  const complexity = COMPLEXITIES.indexOf(features.complexity);
  const is = (stated: boolean | undefined, fact: boolean) =>
    stated === undefined || stated === fact;
  return (when.complexity_lte === undefined ||
    complexity <= COMPLEXITIES.indexOf(when.complexity_lte)) &&
    (when.complexity_gte === undefined ||
      complexity >= COMPLEXITIES.indexOf(when.complexity_gte)) &&
    features.estimatedInputTokens <= (when.input_tokens_lte ?? Infinity) &&
    features.estimatedInputTokens >= (when.input_tokens_gte ?? 0) &&
    is(when.stream, features.stream) && is(when.has_tools, features.toolCount > 0) &&
    is(when.has_images, features.imageCount > 0) &&
    is(when.structured_output, features.structuredOutput !== "none") &&
    is(when.reasoning, features.reasoning.requested) &&
    budget.pressure >= (when.budget_gte ?? 0) &&
    (when.projects === undefined || when.projects.includes(caller.project ?? ""));
}

/** Whether there is any threshold. */
export function hasLimits(limits: ScoreThresholds): boolean {
  return Object.values(limits).some((limit) => limit !== undefined);
}

/**
 * How far a target is beyond its thresholds: how many it breaks, and the worst value over its limit;
 * `null` when it breaks none.
 */
export function broken(
  { signals }: TargetView,
  limits: ScoreThresholds,
): { readonly count: number; readonly worst: number } | null {
  const over = (value: number | null, limit: number | undefined) =>
    value === null || limit === undefined || value <= limit ? [] : [value / Math.max(limit, 1e-9)];
  const rate = signals.outputTokensPerSec;
  const least = limits.min_output_tokens_per_sec;
  const found = [
    ...over(signals.errorRate, limits.max_error_rate),
    ...over(signals.timeoutRate, limits.max_timeout_rate),
    ...over(signals.p95LatencyMs, limits.max_p95_latency_ms),
    ...(rate === null || least === undefined || rate >= least
      ? []
      : [least / Math.max(rate, 1e-9)]),
  ];
  return found.length === 0 ? null : { count: found.length, worst: Math.max(...found) };
}
