/** Weights of targets, a seed, and the order in which a strategy tries them; places are from 1. */
type StrategyCase = readonly [
  weights: readonly number[],
  seed: number,
  order: readonly number[],
];

/** Nothing is known of these targets, so scoring draws by weight: from the second number on. */
const SCORED: readonly StrategyCase[] = [
  [[1], 42, [1]],
  [[70, 20, 10], 42, [1, 3, 2]],
  [[70, 20, 10], 4, [1, 2, 3]],
  [[0, 70, 20, 10], 4, [2, 3, 4, 1]],
  [[0, 0, 0], 42, [2, 3, 1]],
];

/** What each strategy makes of weights and a seed. */
export const STRATEGY_CASES: Readonly<
  Record<string, readonly StrategyCase[]>
> = {
  cost: [...SCORED],
  dynamic_score: [...SCORED],
  failover: [
    [[1], 42, [1]],
    [[70, 20, 10], 42, [1, 2, 3]],
    [[10, 20, 70], 4, [1, 2, 3]],
    [[0, 1, 1], 42, [2, 3, 1]],
    [[1, 0, 1, 0], 42, [1, 3, 2, 4]],
    [[0, 0], 42, [1, 2]],
  ],
  latency: [...SCORED],
  static: [
    [[1], 42, [1]],
    [[70, 20, 10], 4, [1]],
    [[0, 1, 1], 42, [2]],
    [[0, 0], 42, [1]],
  ],
  weighted: [
    [[1], 42, [1]],
    [[70, 20, 10], 42, [1, 2, 3]],
    [[70, 20, 10], 4, [3, 1, 2]],
    [[0, 70, 20, 10], 4, [4, 2, 3, 1]],
    [[0, 0, 0], 42, [1, 2, 3]],
    [[0, 5, 0], 42, [2, 1, 3]],
  ],
};
