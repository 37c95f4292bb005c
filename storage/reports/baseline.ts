import type { BaselinePrices } from "../../core/snapshot.ts";

/**
 * SQL of what a call `u` would have cost at the prices of a baseline, nano-USD: `(tokens * price +
 * 500000) / 1000000` per class. Classes are taken out of the input one after the other, each capped by
 * what is left, as when the call was priced; images cost what they did cost.
 */
export function baselineCost(baseline: BaselinePrices): string {
  const cached = least("u.cached_input_tokens", "u.input_tokens");
  const written = least("u.cache_write_tokens", `(u.input_tokens - ${cached})`);
  const left = `(u.input_tokens - ${cached} - ${written})`;
  const images = least("coalesce(u.image_tokens, 0)", left);
  const parts = [
    "cast(coalesce(u.image_cost_nusd, 0) as numeric)",
    cost(`(${left} - ${images})`, baseline.input),
    cost(cached, baseline.cachedInput),
    cost(written, baseline.cacheWrite),
    cost("u.output_tokens", baseline.output),
  ];
  return `(${parts.join(" + ")})`;
}

/** The engines have different names for it. */
function least(a: string, b: string): string {
  return `(case when ${a} < ${b} then ${a} else ${b} end)`;
}

/** Price and million are shortened: 64 bits hold the product of any tokens and a price of whole cents. */
function cost(tokens: string, price: bigint): string {
  const common = [MILLION, 1_000n, 1n].find((factor) => price % factor === 0n)!;
  const per = MILLION / common;
  return `(${tokens} * cast(${price / common} as bigint) + ${per / 2n}) / ${per}`;
}

const MILLION = 1_000_000n;
