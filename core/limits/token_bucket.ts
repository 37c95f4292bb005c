/** How fast a bucket refills, units per second, and how much it holds. */
export interface BucketSize {
  readonly rate: number;
  readonly burst: number;
}

/**
 * A bucket that starts full and refills continuously. It may go below zero: what is taken ahead is
 * waited for. Sizes come with each use, so that a reload changes them; the level never passes the burst.
 *
 * @example Usage
 * ```ts
 * import { TokenBucket } from "@/core/limits/token_bucket.ts";
 *
 * const size = { rate: 10, burst: 20 };
 * const bucket = new TokenBucket(0);
 * bucket.take(20, size, 0);
 * if (bucket.waitMs(5, size, 100) !== 400) throw new Error("Cannot tell when there is room");
 * ```
 */
export class TokenBucket {
  #level = Infinity;
  #at: number;

  /** @param now monotonic ms, as all times below */
  constructor(now: number) {
    this.#at = now;
  }

  /** Time until `units` may be taken, ms; more than the burst may never be taken. */
  waitMs(units: number, size: BucketSize, now: number): number {
    const missing = Math.min(units, size.burst) - this.#levelAt(size, now);
    return missing <= 0 ? 0 : Math.ceil(missing / size.rate * 1000);
  }

  take(units: number, size: BucketSize, now: number): void {
    this.#level = this.#levelAt(size, now) - units;
  }

  /** Gives back what was taken and not used. */
  give(units: number): void {
    this.#level += units;
  }

  #levelAt({ rate, burst }: BucketSize, now: number): number {
    const passed = Math.max(0, now - this.#at);
    this.#at = Math.max(this.#at, now);
    this.#level = Math.min(burst, this.#level + passed * rate / 1000);
    return this.#level;
  }
}
