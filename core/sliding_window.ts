interface Slice<Counts> {
  readonly start: number;
  readonly counts: Counts;
}

/**
 * Counts over the last while, in equal slices of time that are forgotten one by one. How long the while
 * is may change from call to call. Times are ms of one monotonic clock.
 */
export class SlidingWindow<Counts> {
  readonly #sliceCount: number;
  readonly #empty: () => Counts;
  #slices: readonly Slice<Counts>[] = [];

  constructor(sliceCount: number, empty: () => Counts) {
    this.#sliceCount = sliceCount;
    this.#empty = empty;
  }

  /** What is counted now, to be added to. */
  current(windowMs: number, now: number): Counts {
    const width = windowMs / this.#sliceCount;
    const start = Math.floor(now / width) * width;
    const last = this.#slices.at(-1);
    if (last?.start === start) return last.counts;
    const counts = this.#empty();
    this.#forget(now - windowMs);
    this.#slices = [...this.#slices, { start, counts }];
    return counts;
  }

  /** What was counted in the window, oldest first. */
  counts(windowMs: number, now: number): readonly Counts[] {
    if (this.hasPassed(windowMs, now)) this.#forget(now - windowMs);
    return this.#slices.map(({ counts }) => counts);
  }

  /** Whether something that was given as a count is by now older than the window. */
  hasPassed(windowMs: number, now: number): boolean {
    const oldest = this.#slices[0];
    return oldest !== undefined && oldest.start <= now - windowMs;
  }

  #forget(until: number): void {
    this.#slices = this.#slices.filter(({ start }) => start > until);
  }
}
