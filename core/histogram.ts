/** Width of a bucket: its middle is at most 2.5 % from any value in it. */
const GROWTH = Math.log(1.05);

/** The last bucket holds everything from about 10^8 on. */
const BUCKETS = 380;

/** How many values there were, by size: logarithmic buckets for values from 1 up. */
export type Histogram = Uint32Array;

/** An empty histogram. */
export function histogram(): Histogram {
  return new Uint32Array(BUCKETS);
}

/** Counts a value; what is below 1 counts as 1. */
export function count(into: Histogram, value: number): void {
  const bucket = Math.min(BUCKETS - 1, Math.floor(Math.log(Math.max(1, value)) / GROWTH));
  into[bucket] = (into[bucket] ?? 0) + 1;
}

/**
 * The value that a share of all values does not exceed, within 2.5 %; `null` when there is none.
 *
 * @param share 0..1
 */
export function quantile(of: Histogram, share: number): number | null {
  const total = of.reduce((sum, counted) => sum + counted, 0);
  if (total === 0) return null;
  const rank = Math.max(1, Math.ceil(share * total));
  let seen = 0;
  const bucket = of.findIndex((counted) => (seen += counted) >= rank);
  return Math.exp((bucket + 0.5) * GROWTH);
}
