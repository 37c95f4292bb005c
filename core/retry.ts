/** How attempts of a call follow one another; times in ms. */
export interface RetryOptions {
  /** 0: the whole plan. */
  readonly maxAttempts: number;
  readonly totalDeadlineMs: number;
  readonly jitterBaseMs: number;
  readonly jitterMaxMs: number;
  /** 0: off. */
  readonly budgetPercent: number;
}

/** A group, as far as its retries go. */
interface RetriedGroup {
  readonly name: string;
  readonly retry: RetryOptions;
}

/** Span over which retries are weighed against calls, ms, and how many are always free. */
const WINDOW_MS = 10_000;
const FREE_RETRIES = 10;

interface Window {
  startedAt: number;
  calls: number;
  retries: number;
}

/** Keeps retries of a group below a share of its calls, so that they cannot pile onto an outage. */
export interface RetryBudget {
  countCall(group: RetriedGroup): void;
  /** Takes one retry; false when the budget is spent. */
  takeRetry(group: RetriedGroup): boolean;
}

/** Builds the budget; `clock` is monotonic ms. */
export function createRetryBudget(clock: () => number): RetryBudget {
  const windows = new Map<string, Window>();

  function windowOf(group: RetriedGroup): Window {
    const now = clock();
    let window = windows.get(group.name);
    if (!window || now - window.startedAt >= WINDOW_MS) {
      window = { startedAt: now, calls: 0, retries: 0 };
      windows.set(group.name, window);
    }
    return window;
  }

  return {
    countCall(group) {
      if (group.retry.budgetPercent > 0) windowOf(group).calls += 1;
    },
    takeRetry(group) {
      if (group.retry.budgetPercent === 0) return true;
      const window = windowOf(group);
      const limit = FREE_RETRIES + window.calls * group.retry.budgetPercent / 100;
      if (window.retries + 1 > limit) return false;
      window.retries += 1;
      return true;
    },
  };
}

/**
 * How long to wait before a retry, ms: the first starts at once, later ones wait full jitter over
 * `base * 2^n`.
 *
 * @param retries retries of this call before this one
 * @param random in [0, 1)
 */
export function retryDelayMs(retry: RetryOptions, retries: number, random: number): number {
  if (retries === 0) return 0;
  return random * Math.min(retry.jitterMaxMs, retry.jitterBaseMs * 2 ** (retries - 1));
}
