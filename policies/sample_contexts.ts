import { randomFrom } from "../core/random.ts";
import type { RouteContext } from "../core/strategy.ts";
import { context } from "./sdk/context.ts";

/** Contexts of many shapes, the same ones every time. */
export function sampleContexts(count: number): readonly RouteContext[] {
  return Array.from({ length: count }, (_, index) => sampleContext(index));
}

function sampleContext(index: number): RouteContext {
  const random = randomFrom(index);
  const pick = <Item>(items: readonly Item[]) => items[Math.floor(random() * items.length)]!;
  const tokens = Math.ceil(10 ** (1 + 4 * random()));
  return context({
    requestId: `req_${index.toString(16).padStart(32, "0")}`,
    seed: Math.floor(random() * 2 ** 32),
    features: {
      stream: random() < 0.5,
      estimatedInputTokens: tokens,
      turnCount: Math.ceil(random() * 9),
      toolCount: Math.floor(random() * 5),
      imageCount: random() < 0.1 ? 1 : 0,
      hasToolResults: random() < 0.3,
      outputCap: pick([null, 256, 4_096, 16_384]),
      complexity: pick(["trivial", "standard", "complex", "extreme"] as const),
    },
    caller: { project: pick([null, "alpha", "beta"]), user: "ada" },
    conversationKey: pick([null, `ck_${index.toString(16).padStart(32, "0")}`]),
    budget: { pressure: random() },
    targets: Array.from({ length: 1 + Math.floor(random() * 4) }, (_, at) => ({
      model: `m${at + 1}`,
      weight: Math.floor(random() * 100),
      tags: [pick(["economy", "standard", "premium"])],
      region: pick([null, "eu-central", "us-east"]),
      prices: random() < 0.8 ? { input: 1e8 * (at + 1), output: 4e8 * (at + 1) } : {},
      signals: random() < 0.7 ? observed(random) : {},
    })),
  });
}

function observed(random: () => number) {
  const observations = Math.ceil(random() * 500);
  return {
    inflight: Math.floor(random() * 20),
    observations,
    successes: observations,
    p50LatencyMs: 1_000,
    p95LatencyMs: Math.ceil(5_000 * random()),
    p50TtfbMs: Math.ceil(900 * random()),
    errorRate: Math.round(random() * 1_000) / 10_000,
  };
}
