import { randomFrom } from "../core/random.ts";
import type {
  Decide,
  Findings,
  Plan,
  RouteContext,
  Strategy,
  TargetView,
} from "../core/strategy.ts";
import { behindWeightless, drawByWeight } from "../core/weighted_order.ts";
import { type ScoreKeys, type ScoreOptions, scoreOptions } from "./score_options.ts";
import { broken, hasLimits, rank, summandsOf } from "./score_ranking.ts";
import { isCold } from "./scores.ts";

/** Targets by weight and score: what they cost, how fast and how reliable they were. */
export const dynamicScore: Strategy<ScoreKeys> = {
  name: "dynamic_score",
  options: scoreOptions,
  create: ({ routing_policy }) => scoring(routing_policy.dynamic_score),
  findings: ({ routing_policy }) => scoringFindings(routing_policy.dynamic_score),
};

/** Decides by final score; what is over a threshold comes after what is not. */
export function scoring(options: ScoreOptions): Decide {
  return (context) => {
    const random = randomFrom(context.seed);
    // Always drawn, so that the numbers after it mean the same in every call.
    const explores = doesExplore(context, options, random());
    const ordered = orderOf(context, options, random);
    const [explored] = explores ? drawByWeight(context.targets, random) : [];
    return planOf(
      explored ? [explored, ...ordered.filter((target) => target !== explored)] : ordered,
    );
  };
}

/** What scoring says of a plan it made of a context. */
export function scoringFindings(options: ScoreOptions): (context: RouteContext) => Findings {
  return (context) => {
    const { raw, final, cold } = rank(context, options);
    const over = context.targets.map((target) => isOver(target, options));
    return {
      explored: doesExplore(context, options, randomFrom(context.seed)()),
      coldStart: cold.includes(true),
      overThreshold: !over.includes(false),
      scores: { summands: summandsOf(context, options), raw, final, cold, over },
    };
  };
}

function doesExplore({ pinnedIndex }: RouteContext, options: ScoreOptions, random: number) {
  return random * 100 < options.explore_percent && pinnedIndex === null;
}

function isOver(target: TargetView, options: ScoreOptions): boolean {
  return !isCold(target, options) && broken(target, options.thresholds) !== null;
}

function orderOf(
  context: RouteContext,
  options: ScoreOptions,
  random: () => number,
): readonly TargetView[] {
  const { targets } = context;
  const { final, cold } = rank(context, options);
  const draws = options.selection === "proportional" || cold.includes(true);
  const byFinal = draws
    ? drawByWeight(targets.map(({ index }) => ({ index, weight: final[index]! })), random)
      .map(({ index }) => targets[index]!)
    : targets.toSorted((a, b) => final[b.index]! - final[a.index]!);
  return withinThresholdsFirst(behindWeightless(byFinal), options);
}

/** When all are over a threshold, the one that breaks the fewest, and those the least, comes first. */
function withinThresholdsFirst(
  order: readonly TargetView[],
  options: ScoreOptions,
): readonly TargetView[] {
  if (!hasLimits(options.thresholds)) return order;
  const flaws = new Map(
    order.map((target) =>
      [target, isCold(target, options) ? null : broken(target, options.thresholds)] as const
    ),
  );
  const flawOf = (target: TargetView) => flaws.get(target) ?? { count: 0, worst: 0 };
  if ([...flaws.values()].every((flaw) => flaw === null)) return order;
  if ([...flaws.values()].some((flaw) => flaw === null)) {
    return order.toSorted((a, b) => Math.sign(flawOf(a).count) - Math.sign(flawOf(b).count));
  }
  return order.toSorted((a, b) =>
    flawOf(a).count - flawOf(b).count || flawOf(a).worst - flawOf(b).worst
  );
}

function planOf(order: readonly TargetView[]): Plan {
  const indexes = order.map(({ index }) => index);
  return { targetIndex: indexes[0] ?? 0, fallbackIndexes: indexes.slice(1) };
}
