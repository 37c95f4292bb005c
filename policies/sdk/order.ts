import type { Plan, TargetView } from "../../core/strategy.ts";

/**
 * Targets from the highest score to the lowest; equal ones keep their order, and those without a
 * score come last.
 */
export function byScore(
  targets: readonly TargetView[],
  score: (target: TargetView) => number | null,
): readonly TargetView[] {
  const scored = targets.map((target) => ({ target, score: score(target) ?? -Infinity }));
  return scored.toSorted((a, b) => a.score === b.score ? 0 : b.score - a.score)
    .map(({ target }) => target);
}

/**
 * A plan that tries targets in this order, and no others.
 *
 * @throws {RangeError} when there is no target
 */
export function planOf(order: readonly TargetView[], rest: Omit<Plan, "targetIndex"> = {}): Plan {
  const [first, ...others] = order;
  if (!first) throw new RangeError("Cannot make a plan without a target");
  return { targetIndex: first.index, fallbackIndexes: others.map(({ index }) => index), ...rest };
}
