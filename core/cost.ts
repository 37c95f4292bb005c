import type { Prices } from "./snapshot.ts";

/** Tokens of a call by class, as `Usage` has them, and the images in its request. */
export interface CostInput {
  readonly input: number;
  readonly cachedInput: number;
  readonly cacheWrite: number;
  readonly output: number;
  readonly image: number | null;
  readonly imageCount: number;
}

/** Nano-USD by class; `null` is unpriced, 0 free. The total is `null` when any class is. */
export interface Cost {
  readonly input: bigint | null;
  readonly cachedInput: bigint | null;
  readonly cacheWrite: bigint | null;
  readonly output: bigint | null;
  readonly image: bigint | null;
  readonly total: bigint | null;
}

const HALF = 500_000n;
const MILLION = 1_000_000n;

/** `(tokens * price + 500000) / 1000000` in integers; no tokens cost 0, whatever the price. */
function classCost(tokens: number, price: bigint | null): bigint | null {
  if (tokens === 0) return 0n;
  return price === null ? null : (BigInt(tokens) * price + HALF) / MILLION;
}

/** Images cost by reported tokens, else by piece; a piece without a price costs nothing apart. */
function imageCost(tokens: number, usage: CostInput, prices: Prices): bigint | null {
  if (usage.image !== null) return classCost(tokens, prices.image ?? prices.input);
  return BigInt(usage.imageCount) * (prices.perImage ?? 0n);
}

/**
 * What a reply cost. Classes are disjoint: cached, cache-written and image tokens are taken out of
 * the input, each capped by what is left of it, so no token is charged twice. Cached, cache-write and
 * image prices that are not stated are the input price.
 *
 * @example Usage
 * ```ts
 * import { costOf } from "@/core/cost.ts";
 *
 * const usd = 1_000_000_000n;
 * const prices = { input: 3n * usd, cachedInput: null, cacheWrite: 3_750_000_000n, output: 15n * usd,
 *   image: null, perImage: null, source: "", updatedAt: "" };
 * const cost = costOf({ input: 12_307, cachedInput: 0, cacheWrite: 12_304, output: 550, image: null,
 *   imageCount: 0 }, prices);
 * if (cost.total !== 54_399_000n) throw new Error("Cannot price");
 * ```
 */
export function costOf(usage: CostInput, prices: Prices): Cost {
  const { plain, cached, written, images } = inputClasses(usage);
  const parts = {
    input: classCost(plain, prices.input),
    cachedInput: classCost(cached, prices.cachedInput ?? prices.input),
    cacheWrite: classCost(written, prices.cacheWrite ?? prices.input),
    output: classCost(usage.output, prices.output),
    image: imageCost(images, usage, prices),
  };
  return { ...parts, total: sum(Object.values(parts)) };
}

/** Input tokens in classes that do not overlap; each takes what those before it left. */
export function inputClasses(usage: Omit<CostInput, "output" | "imageCount">) {
  const cached = Math.min(usage.cachedInput, usage.input);
  const written = Math.min(usage.cacheWrite, usage.input - cached);
  const images = Math.min(usage.image ?? 0, usage.input - cached - written);
  return { plain: usage.input - cached - written - images, cached, written, images };
}

function sum(amounts: readonly (bigint | null)[]): bigint | null {
  let total = 0n;
  for (const amount of amounts) {
    if (amount === null) return null;
    total += amount;
  }
  return total;
}
