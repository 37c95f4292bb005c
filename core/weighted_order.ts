/** What has a weight. */
interface Weighted {
  readonly weight: number;
}

/** Targets in their order, those of weight 0 behind the others. */
export function behindWeightless<Target extends Weighted>(
  targets: readonly Target[],
): readonly Target[] {
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
export function drawByWeight<Target extends Weighted>(
  targets: readonly Target[],
  random: () => number,
): readonly Target[] {
  const order = behindWeightless(targets);
  const pool = order.filter(({ weight }) => weight > 0);
  const drawn: Target[] = [];
  while (pool.length > 1) {
    let rest = random() * pool.reduce((sum, { weight }) => sum + weight, 0);
    const at = pool.findIndex(({ weight }) => (rest -= weight) < 0);
    drawn.push(...pool.splice(at < 0 ? pool.length - 1 : at, 1));
  }
  return [...drawn, ...pool, ...order.filter(({ weight }) => weight === 0)];
}
