import assert from "node:assert/strict";
import fc from "fast-check";
import { count, histogram, quantile } from "@/core/histogram.ts";
import {
  NOTHING_OBSERVED,
  type Observation,
  Observations,
  WINDOW_MS,
} from "@/core/observations.ts";

const attempt = (changes: Partial<Observation> = {}): Observation => ({
  outcome: "success",
  latencyMs: 1_000,
  ttfbMs: 200,
  usage: { input: 100, cachedInput: 25, output: 80 },
  ...changes,
});

Deno.test("histogram tells every quantile within 2.5 %", () => {
  const values = fc.array(fc.integer({ min: 1, max: 1_000_000 }), { minLength: 1, maxLength: 200 });
  fc.assert(fc.property(values, fc.integer({ min: 1, max: 100 }), (values, percent) => {
    const counts = histogram();
    for (const value of values) count(counts, value);
    const sorted = values.toSorted((a, b) => a - b);
    const exact = sorted[Math.ceil(percent / 100 * sorted.length) - 1]!;
    const found = quantile(counts, percent / 100)!;
    assert(Math.abs(found - exact) / exact < 0.0251, `${exact}: ${found}`);
  }));
});

Deno.test("observations of a target sum up its attempts", () => {
  const observations = new Observations();
  for (let turn = 0; turn < 18; turn++) observations.add(attempt(), 0);
  observations.add(attempt({ outcome: "timeout" }), 0);
  observations.add(attempt({ outcome: "error" }), 0);
  const { p50LatencyMs, p95LatencyMs, p50TtfbMs, outputTokensPerSec, ...exact } = observations
    .observed(1);
  assert.deepEqual(exact, {
    observations: 20,
    successes: 18,
    errorRate: 0.1,
    timeoutRate: 0.05,
    meanOutputTokens: 80,
    cachedInputShare: 0.25,
  });
  for (
    const [found, expected] of [[p50LatencyMs, 1_000], [p95LatencyMs, 1_000], [p50TtfbMs, 200]]
  ) {
    assert(Math.abs(found! - expected!) <= expected! * 0.026);
  }
  assert(Math.abs(outputTokensPerSec! - 100) <= 3);
});

Deno.test("observations slide out of their window", () => {
  const observations = new Observations();
  observations.add(attempt({ outcome: "error" }), 0);
  observations.add(attempt(), WINDOW_MS / 2);
  assert.equal(observations.observed(WINDOW_MS / 2).observations, 2);
  assert.equal(observations.observed(WINDOW_MS).errorRate, 0);
  assert.deepEqual(observations.observed(2 * WINDOW_MS), NOTHING_OBSERVED);
});

Deno.test("observations are summed up at most four times a second", () => {
  const observations = new Observations();
  observations.add(attempt(), 1_000);
  const first = observations.observed(1_000);
  observations.add(attempt(), 1_001);
  assert.equal(observations.observed(1_100), first);
  assert.equal(observations.observed(1_250).observations, 2);
});
