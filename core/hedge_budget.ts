/** When a slow target gets another one beside it; `afterMs` `null`: after its own 95th percentile. */
export interface HedgeOptions {
  readonly afterMs: number | null;
  /** Share of calls that may have one. */
  readonly maxPercent: number;
  /** Above this pressure on the caller's budget there is none. */
  readonly maxPressure: number;
}

/** A group, as far as its hedges go. */
interface HedgedGroup {
  readonly name: string;
  readonly hedge: HedgeOptions | null;
}

/** What one call in a hundred is worth of a hedge: a share of 5 % lets every 20th call have one. */
const HEDGE = 100;
/** The share of so many calls is saved up for when many are slow at once. */
const SAVED_CALLS = 200;

/**
 * Keeps hedges of a group within a share of its calls: each call adds its part of a hedge, and a hedge
 * takes a whole one. It begins with none, so that the share holds over any number of calls.
 */
export interface HedgeBudget {
  countCall(group: HedgedGroup): void;
  /** Whether there is a hedge to be taken. */
  has(group: HedgedGroup): boolean;
  /** Takes one. */
  take(group: HedgedGroup): void;
}

/** Builds the budget of one process. */
export function createHedgeBudget(): HedgeBudget {
  const saved = new Map<string, number>();
  const of = ({ name }: HedgedGroup) => saved.get(name) ?? 0;
  return {
    countCall(group) {
      if (group.hedge === null) return;
      const { maxPercent } = group.hedge;
      const most = Math.max(HEDGE, SAVED_CALLS * maxPercent);
      saved.set(group.name, Math.min(most, of(group) + maxPercent));
    },
    has: (group) => of(group) >= HEDGE,
    take: (group) => void saved.set(group.name, of(group) - HEDGE),
  };
}
