import assert from "node:assert/strict";
import fc from "fast-check";
import { type Cost, type CostInput, costOf } from "@/core/cost.ts";
import type { Prices } from "@/core/snapshot.ts";

/** USD per million tokens, as written; `perImage` per piece. `null` is unset. */
type Usd = Partial<
  Record<"input" | "cachedInput" | "cacheWrite" | "output" | "image" | "perImage", number | null>
>;

const NUSD_PER_USD = 1e9;

function pricesOf(usd: Usd): Prices {
  const price = (name: keyof Usd) => {
    const value = usd[name] ?? null;
    return value === null ? null : BigInt(Math.round(value * NUSD_PER_USD));
  };
  return {
    input: price("input"),
    cachedInput: price("cachedInput"),
    cacheWrite: price("cacheWrite"),
    output: price("output"),
    image: price("image"),
    perImage: price("perImage"),
    source: "",
    updatedAt: "",
  };
}

function usageOf(changes: Partial<CostInput>): CostInput {
  return {
    input: 0,
    cachedInput: 0,
    cacheWrite: 0,
    output: 0,
    image: null,
    imageCount: 0,
    ...changes,
  };
}

interface Case {
  readonly name: string;
  readonly usage: Partial<CostInput>;
  readonly usd: Usd;
  /** Nano-USD; classes that are not named are not compared. */
  readonly cost: Partial<Cost>;
}

const CASES: readonly Case[] = [
  {
    name: "a prompt written to the cache costs the write price once",
    usage: { input: 12_307, cacheWrite: 12_304, output: 550 },
    usd: { input: 3, cachedInput: 0.3, cacheWrite: 3.75, output: 15 },
    cost: { input: 9_000n, cacheWrite: 46_140_000n, output: 8_250_000n, total: 54_399_000n },
  },
  {
    name: "a long prompt that is mostly cached costs its parts",
    usage: { input: 262_960, cachedInput: 257_955, output: 1_744 },
    usd: { input: 1.25, cachedInput: 0.625, output: 10 },
    cost: { total: 184_918_125n },
  },
  {
    name: "a cheaper cached price changes only the cached part",
    usage: { input: 262_960, cachedInput: 257_955, output: 1_744 },
    usd: { input: 1.25, cachedInput: 0.31, output: 10 },
    cost: {
      input: 6_256_250n,
      cachedInput: 79_966_050n,
      output: 17_440_000n,
      total: 103_662_300n,
    },
  },
  {
    name: "cached tokens cost less than input",
    usage: { input: 100, cachedInput: 40, output: 10 },
    usd: { input: 1, cachedInput: 0.25, output: 2 },
    cost: { input: 60_000n, cachedInput: 10_000n, output: 20_000n, total: 90_000n },
  },
  {
    name: "a reply without output costs its input",
    usage: { input: 44_341, cachedInput: 41_518 },
    usd: { input: 1.4, cachedInput: 0.26, output: 5 },
    cost: { output: 0n, total: 14_746_880n },
  },
  {
    name: "cached tokens read and written are all different tokens",
    usage: { input: 20_510, cachedInput: 20_000, cacheWrite: 500, output: 120 },
    usd: { input: 3, cachedInput: 0.3, cacheWrite: 3.75, output: 15 },
    cost: {
      input: 30_000n,
      cachedInput: 6_000_000n,
      cacheWrite: 1_875_000n,
      output: 1_800_000n,
      total: 9_705_000n,
    },
  },
  {
    name: "more cached than input tokens cost no more than the input",
    usage: { input: 100, cachedInput: 120 },
    usd: { input: 1, output: 1 },
    cost: { input: 0n, cachedInput: 100_000n, total: 100_000n },
  },
  {
    name: "half a nano-USD is rounded up",
    usage: { input: 1 },
    usd: { input: 0.0005, output: 1 },
    cost: { total: 1n },
  },
  {
    name: "less than half a nano-USD is rounded down",
    usage: { input: 1 },
    usd: { input: 0.0004, output: 1 },
    cost: { total: 0n },
  },
  {
    name: "an unpriced class makes the total unpriced",
    usage: { input: 10, output: 10 },
    usd: { input: 1 },
    cost: { input: 10_000n, output: null, total: null },
  },
  {
    name: "an unpriced class without tokens costs nothing",
    usage: { input: 10 },
    usd: { input: 1 },
    cost: { output: 0n, total: 10_000n },
  },
  {
    name: "a price of 0 is free, not unpriced",
    usage: { input: 10, cachedInput: 5, output: 10 },
    usd: { input: 0, output: 0 },
    cost: { cachedInput: 0n, total: 0n },
  },
  {
    name: "reported image tokens cost the image price",
    usage: { input: 1_000, image: 600, imageCount: 2 },
    usd: { input: 1, output: 1, image: 2, perImage: 0.5 },
    cost: { input: 400_000n, image: 1_200_000n, total: 1_600_000n },
  },
  {
    name: "reported image tokens without an image price cost the input price",
    usage: { input: 1_000, image: 600 },
    usd: { input: 1, output: 1 },
    cost: { input: 400_000n, image: 600_000n, total: 1_000_000n },
  },
  {
    name: "images without reported tokens cost by piece",
    usage: { input: 1_000, imageCount: 2 },
    usd: { input: 1, output: 1, image: 2, perImage: 0.001 },
    cost: { input: 1_000_000n, image: 2_000_000n, total: 3_000_000n },
  },
  {
    name: "images without reported tokens and without a price by piece cost nothing apart",
    usage: { input: 1_000, imageCount: 2 },
    usd: { input: 1, output: 1 },
    cost: { input: 1_000_000n, image: 0n, total: 1_000_000n },
  },
];

for (const { name, usage, usd, cost } of CASES) {
  Deno.test(`cost: ${name}`, () => {
    const found = costOf(usageOf(usage), pricesOf(usd));
    for (const [part, nusd] of Object.entries(cost)) {
      assert.equal(found[part as keyof Cost], nusd, part);
    }
  });
}

const tokens = fc.integer({ min: 0, max: 2_000_000 });
const usages = fc.record({
  input: tokens,
  cachedInput: tokens,
  cacheWrite: tokens,
  output: tokens,
  image: fc.option(tokens),
  imageCount: fc.integer({ min: 0, max: 50 }),
});
const price = fc.option(fc.bigInt({ min: 0n, max: 1_000n * 1_000_000_000n }));
const prices = fc.record({
  input: price,
  cachedInput: price,
  cacheWrite: price,
  output: price,
  image: price,
  perImage: price,
  source: fc.constant(""),
  updatedAt: fc.constant(""),
});

const CLASSES = ["input", "cachedInput", "cacheWrite", "output", "image"] as const;

Deno.test("cost of the classes adds up to the total, and none is negative", () => {
  fc.assert(
    fc.property(usages, prices, (usage, prices) => {
      const cost = costOf(usage, prices);
      const parts = CLASSES.map((name) => cost[name]);
      assert(parts.every((part) => part === null || part >= 0n));
      const total = parts.reduce<bigint | null>(
        (sum, part) => sum === null || part === null ? null : sum + part,
        0n,
      );
      assert.equal(cost.total, total);
    }),
    { numRuns: 10_000 },
  );
});

Deno.test("cost charges every input token exactly once, whatever the subsets claim", () => {
  const perToken = 1_000_000n;
  const flat: Prices = { ...pricesOf({}), input: perToken, output: 0n };
  fc.assert(fc.property(usages, (usage) => {
    assert.equal(costOf({ ...usage, imageCount: 0 }, flat).total, BigInt(usage.input));
  }));
});

Deno.test("cost never rises when more of the input was cached at a lower price", () => {
  const cheap = pricesOf({ input: 3, cachedInput: 0.3, output: 15 });
  fc.assert(fc.property(tokens, tokens, tokens, (input, some, more) => {
    const cost = (cachedInput: number) => costOf(usageOf({ input, cachedInput }), cheap).total!;
    // Two classes are rounded apart: they may differ from one by a nano-USD.
    assert(cost(some + more) <= cost(some) + 1n);
  }));
});
