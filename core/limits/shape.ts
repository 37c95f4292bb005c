import type { NumberPlace } from "./number_blocks.ts";
import { BUCKET_NUMBERS, type BucketSize, TokenBuckets } from "./token_bucket.ts";

/** The four buckets of a traffic shape, by the name of their rate. */
const BUCKETS = [
  "request_start_per_sec",
  "input_tokens_per_sec",
  "output_reservation_tokens_per_sec",
  "total_reserved_tokens_per_sec",
] as const;

/** Name of a bucket. */
export type BucketName = typeof BUCKETS[number];

/** Sizes of the buckets that are on. */
export type ShapeSizes = Readonly<Partial<Record<BucketName, BucketSize>>>;

/** Whether any bucket holds tokens. */
export function pacesTokens(sizes: ShapeSizes): boolean {
  return sizes.input_tokens_per_sec !== undefined ||
    sizes.output_reservation_tokens_per_sec !== undefined ||
    sizes.total_reserved_tokens_per_sec !== undefined;
}

/** What a call takes from some buckets, units. */
export type ShapeCharge = Readonly<Partial<Record<BucketName, number>>>;

/** What a call of these tokens takes. */
export function tokenCharge(tokens: { readonly input: number; readonly output: number }) {
  return {
    input_tokens_per_sec: tokens.input,
    output_reservation_tokens_per_sec: tokens.output,
    total_reserved_tokens_per_sec: tokens.input + tokens.output,
  } satisfies ShapeCharge;
}

/** A bucket without room. */
export interface Shortage {
  readonly bucket: BucketName;
  readonly waitMs: number;
  /** More than it ever holds. */
  readonly neverFits: boolean;
}

/** What the shape of its caller decided about a call, for its record; times in ms. */
export interface Shaping {
  readonly decision: "admitted" | "queued" | "rejected";
  /** The bucket that was short, as its caller is told of it; empty when none was. */
  readonly bucket: string;
  readonly retryAfterMs: number;
  /** Units asked for: calls, or tokens. */
  readonly cost: number;
  /** Epoch ms. */
  readonly ts: number;
  /** How long it waited. */
  queuedMs: number;
}

/** When a shape is asked: monotonic ms, and how many processes share its rates. */
export interface ShapeMoment {
  readonly now: number;
  readonly processes: number;
}

/** Numbers of the levels of one shape. */
export const SHAPE_NUMBERS = BUCKETS.length * BUCKET_NUMBERS;

/** The levels of one shape. With several processes each has its part of rate and burst. */
export class ShapeLevels {
  readonly #buckets: TokenBuckets;

  /** With a place among the numbers of others: `SHAPE_NUMBERS` of them. */
  constructor(place?: NumberPlace) {
    this.#buckets = new TokenBuckets(BUCKETS.length, place);
  }

  /** The bucket that has to be waited for longest; `null` when all have room. */
  shortage(charge: ShapeCharge, sizes: ShapeSizes, at: ShapeMoment): Shortage | null {
    let worst: Shortage | null = null;
    for (let place = 0; place < BUCKETS.length; place++) {
      const bucket = BUCKETS[place]!;
      const [units, size] = [charge[bucket], sizes[bucket]];
      if (units === undefined || size === undefined) continue;
      if (units > size.burst) return { bucket, waitMs: Infinity, neverFits: true };
      const waitMs = this.#buckets.waitMs(place, units, part(size, at.processes), at.now);
      if (waitMs > (worst?.waitMs ?? 0)) worst = { bucket, waitMs, neverFits: false };
    }
    return worst;
  }

  take(charge: ShapeCharge, sizes: ShapeSizes, at: ShapeMoment): void {
    for (let place = 0; place < BUCKETS.length; place++) {
      const bucket = BUCKETS[place]!;
      const [units, size] = [charge[bucket], sizes[bucket]];
      if (units === undefined || size === undefined) continue;
      this.#buckets.take(place, units, part(size, at.processes), at.now);
    }
  }

  give(charge: ShapeCharge): void {
    for (const [place, bucket] of BUCKETS.entries()) {
      this.#buckets.give(place, charge[bucket] ?? 0);
    }
  }
}

function part(size: BucketSize, processes: number): BucketSize {
  if (processes <= 1) return size;
  return { rate: size.rate / processes, burst: size.burst / processes };
}
