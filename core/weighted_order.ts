import type { TargetView } from "./strategy.ts";

/** Targets in their order, those of weight 0 behind the others. */
export function behindWeightless(targets: readonly TargetView[]): readonly TargetView[] {
  if (targets.every(({ weight }) => weight > 0)) return targets;
  return [
    ...targets.filter(({ weight }) => weight > 0),
    ...targets.filter(({ weight }) => weight === 0),
  ];
}

/**
 * Draws targets by weight without replacement: `u = random() * sum(weights)`, then the walk stops
 * where `u < weight`. Weight 0 comes last, in config order.
 *
 * @param random numbers in [0, 1)
 */
export function drawByWeight(
  targets: readonly TargetView[],
  random: () => number,
): readonly TargetView[] {
  const order = behindWeightless(targets);
  const pool = order.filter(({ weight }) => weight > 0);
  const drawn: TargetView[] = [];
  while (pool.length > 1) {
    let rest = random() * pool.reduce((sum, { weight }) => sum + weight, 0);
    const at = pool.findIndex(({ weight }) => (rest -= weight) < 0);
    drawn.push(...pool.splice(at < 0 ? pool.length - 1 : at, 1));
  }
  return [...drawn, ...pool, ...order.filter(({ weight }) => weight === 0)];
}
