import { type NumberPlace, numberPlace } from "./number_blocks.ts";

/** How fast a bucket refills, units per second, and how much it holds. */
export interface BucketSize {
  readonly rate: number;
  readonly burst: number;
}

/** Numbers of a bucket: its level, and when that was so. */
export const BUCKET_NUMBERS = 2;

/**
 * Buckets that start full and refill continuously. They may go below zero: what is taken ahead is
 * waited for. Sizes come with each use, so that a reload changes them; a level never passes the burst.
 * The numbers of all lie side by side; a bucket is known by its place. Times are monotonic ms.
 *
 * @example Usage
 * ```ts
 * import { TokenBuckets } from "@/core/limits/token_bucket.ts";
 *
 * const size = { rate: 10, burst: 20 };
 * const buckets = new TokenBuckets(1);
 * buckets.take(0, 20, size, 0);
 * if (buckets.waitMs(0, 5, size, 100) !== 400) throw new Error("Cannot tell when there is room");
 * ```
 */
export class TokenBuckets {
  readonly #numbers: Float64Array;
  /** Where its own begin in the numbers. */
  readonly #begin: number;

  /** With a place among the numbers of others, which is all zero: `BUCKET_NUMBERS` for each. */
  constructor(count: number, place: NumberPlace = numberPlace(BUCKET_NUMBERS * count)) {
    this.#numbers = place.numbers;
    this.#begin = place.begin;
    for (let bucket = 0; bucket < count; bucket++) this.#numbers[this.#levelOf(bucket)] = Infinity;
  }

  /** Time until `units` may be taken, ms; more than the burst may never be taken. */
  waitMs(place: number, units: number, size: BucketSize, now: number): number {
    const missing = Math.min(units, size.burst) - this.#levelAt(place, size, now);
    return missing <= 0 ? 0 : Math.ceil(missing / size.rate * 1000);
  }

  take(place: number, units: number, size: BucketSize, now: number): void {
    this.#numbers[this.#levelOf(place)] = this.#levelAt(place, size, now) - units;
  }

  /** Gives back what was taken and not used. */
  give(place: number, units: number): void {
    this.#numbers[this.#levelOf(place)]! += units;
  }

  #levelOf(place: number): number {
    return this.#begin + BUCKET_NUMBERS * place;
  }

  #levelAt(place: number, { rate, burst }: BucketSize, now: number): number {
    const at = this.#levelOf(place);
    const passed = Math.max(0, now - this.#numbers[at + 1]!);
    this.#numbers[at + 1]! += passed;
    return this.#numbers[at] = Math.min(burst, this.#numbers[at]! + passed * rate / 1000);
  }
}
