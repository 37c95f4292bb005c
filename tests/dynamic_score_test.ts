import assert from "node:assert/strict";
import fc from "fast-check";
import { checkPlan } from "@/core/plan.ts";
import type { RouteContext } from "@/core/strategy.ts";
import { context, type StatedContext } from "@/policies/sdk/context.ts";
import { scoring } from "@/strategies/dynamic_score.ts";
import { readExpression } from "@/strategies/score_expression.ts";
import { type ScoreOptions, scoreOptions } from "@/strategies/score_options.ts";
import { rank } from "@/strategies/score_ranking.ts";
import { strategies } from "@/strategies/mod.ts";
import { ASKING, SERVICES } from "./builders.ts";

const optionsOf = (stated: object = {}): ScoreOptions =>
  scoreOptions.parse({ routing_policy: { dynamic_score: stated } }).routing_policy.dynamic_score;

const usd = (price: number) => Math.round(price * 1e9);

/** The published example: three targets, nothing cold. */
const EXAMPLE = context({
  features: { estimatedInputTokens: 2_000, outputCap: 1_000 },
  targets: [
    {
      id: "A",
      weight: 70,
      prices: { input: usd(0.15), cachedInput: usd(0.075), output: usd(0.6) },
      signals: {
        cachedInputShare: 0.5,
        meanOutputTokens: 400,
        p95LatencyMs: 2_400,
        successes: 118,
        observations: 120,
      },
    },
    {
      id: "B",
      weight: 20,
      prices: { input: usd(0.5), cachedInput: usd(0.05), output: usd(1.5) },
      signals: {
        cachedInputShare: 0,
        meanOutputTokens: 300,
        p95LatencyMs: 1_800,
        successes: 200,
        observations: 200,
      },
    },
    {
      id: "C",
      weight: 10,
      prices: { input: usd(3), cachedInput: usd(0.3), output: usd(15) },
      signals: {
        cachedInputShare: 0,
        meanOutputTokens: 500,
        p95LatencyMs: 3_200,
        successes: 80,
        observations: 81,
      },
    },
  ],
});

const near = (found: number, expected: number) =>
  assert(Math.abs(found - expected) < 1e-6, `expected ${expected}, found ${found}`);

Deno.test("dynamic_score gives the published numbers", () => {
  const { raw, final } = rank(EXAMPLE, optionsOf({ max_score_adjustment_percent: 70 }));
  [0.920082, 0.659355, 0.381153].forEach((expected, index) => near(raw[index]!, expected));
  [0.538502, 0.295413, 0.166085].forEach((expected, index) => near(final[index]!, expected));
});

/** Ids in the order they are tried. */
function order(stated: object, given: RouteContext): readonly string[] {
  const plan = scoring(optionsOf({ explore_percent: 0, ...stated }))(given, ASKING);
  assert(!(plan instanceof Promise));
  return checkPlan(plan, given).order.map((index) => given.targets[index]!.id);
}

const CASES: readonly (readonly [string, object, readonly string[]])[] = [
  ["weights alone decide when scores move nothing", { max_score_adjustment_percent: 0 }, [
    "A",
    "B",
    "C",
  ]],
  ["one score decides alone when weights move nothing", {
    max_score_adjustment_percent: 100,
    score_terms: [{ name: "fast", expression: "latency_score" }],
  }, ["B", "A", "C"]],
  ["a score may count against a target", {
    max_score_adjustment_percent: 100,
    score_terms: [{ name: "dear", expression: "1*load_score - cost_score" }],
  }, ["C", "B", "A"]],
  ["a term that does not match the call leaves the weights", {
    max_score_adjustment_percent: 100,
    score_terms: [{
      name: "hard",
      when: { complexity_gte: "extreme" },
      expression: "latency_score",
    }],
  }, ["A", "B", "C"]],
  ["a target over a threshold comes after the others", {
    thresholds: { max_p95_latency_ms: 2_000 },
  }, ["B", "A", "C"]],
  ["when all are over a threshold the least bad comes first", {
    thresholds: { max_p95_latency_ms: 1_000 },
  }, ["B", "A", "C"]],
  ["the rate of output is a threshold from below", {
    thresholds: { min_output_tokens_per_sec: 1 },
  }, ["A", "B", "C"]],
];

for (const [name, stated, expected] of CASES) {
  Deno.test(`dynamic_score: ${name}`, () => {
    assert.deepEqual(order(stated, EXAMPLE), expected);
  });
}

Deno.test("dynamic_score explores by weight for the share of calls it is told, and not when pinned", () => {
  const decide = scoring(optionsOf({ explore_percent: 30, max_score_adjustment_percent: 100 }));
  const firsts = (pinnedIndex: number | null) =>
    Array.from({ length: 4_000 }, (_, seed) => {
      const plan = decide(
        { ...EXAMPLE, seed: Math.imul(seed, 0x9e37_79b1) >>> 0, pinnedIndex },
        ASKING,
      );
      return plan instanceof Promise ? null : plan.targetIndex;
    });
  const share = firsts(null).filter((index) => index !== 0).length / 4_000;
  assert(Math.abs(share - 0.3 * 0.3) < 0.02, `${share}`);
  assert(firsts(1).every((index) => index === 0));
});

Deno.test("dynamic_score draws by weight while a target is cold", () => {
  const targets = EXAMPLE.targets.map((target, index) => ({
    ...target,
    signals: { ...target.signals, observations: index === 2 ? 19 : 100 },
  }));
  const decide = scoring(optionsOf({ explore_percent: 0, max_score_adjustment_percent: 100 }));
  const firsts = new Set(Array.from({ length: 200 }, (_, seed) => {
    const plan = decide({ ...EXAMPLE, targets, seed }, ASKING);
    return plan instanceof Promise ? null : plan.targetIndex;
  }));
  assert.deepEqual([...firsts].sort(), [0, 1, 2]);
});

const signals = fc.record({
  observations: fc.integer({ min: 20, max: 500 }),
  successes: fc.integer({ min: 0, max: 20 }),
  inflight: fc.integer({ min: 0, max: 50 }),
  p95LatencyMs: fc.option(fc.integer({ min: 1, max: 60_000 })),
  outputTokensPerSec: fc.option(fc.integer({ min: 0, max: 500 })),
  meanOutputTokens: fc.option(fc.integer({ min: 0, max: 4_000 })),
  cachedInputShare: fc.option(fc.integer({ min: 0, max: 100 }).map((share) => share / 100)),
});
const price = fc.option(fc.integer({ min: 0, max: 1e11 }));
const target = fc.record({
  weight: fc.integer({ min: 0, max: 100 }),
  prices: fc.record({ input: price, cachedInput: price, output: price }),
  signals,
});
const contexts = fc.record({
  seed: fc.integer({ min: 0, max: 0xffff_ffff }),
  targets: fc.array(target, { minLength: 1, maxLength: 6 }),
}).map((stated) => context(stated as StatedContext));
const EVERY_SCORE = {
  score_terms: [{
    name: "all",
    expression:
      "cost_score + latency_score + throughput_score + reliability_score + load_score + 2*eval_quality_score - 0.5*complexity_score",
  }],
};

Deno.test("dynamic_score gives finals that are numbers, and sum to 1 when nothing is cold", () => {
  fc.assert(fc.property(contexts, fc.integer({ min: 0, max: 100 }), (given, percent) => {
    const { raw, final } = rank(
      given,
      optionsOf({
        ...EVERY_SCORE,
        max_score_adjustment_percent: percent,
      }),
    );
    assert([...raw, ...final].every((number) => Number.isFinite(number) && number >= 0));
    near(final.reduce((sum, score) => sum + score, 0), 1);
  }));
});

Deno.test("dynamic_score keeps the configured order of targets that are equal", () => {
  fc.assert(fc.property(target, fc.integer({ min: 2, max: 6 }), (stated, count) => {
    const given = context({
      targets: Array(count).fill(stated) as StatedContext["targets"] & object,
    });
    const ids = given.targets.map(({ index }) => index);
    const plan = scoring(optionsOf({ ...EVERY_SCORE, explore_percent: 0 }))(given, ASKING);
    assert(!(plan instanceof Promise));
    assert.deepEqual(checkPlan(plan, given).order, ids);
  }));
});

Deno.test("dynamic_score never ranks a target lower for being cheaper, quicker or heavier", () => {
  fc.assert(fc.property(contexts, fc.nat(), (given, choice) => {
    const at = choice % given.targets.length;
    const before = rank(given, optionsOf()).final[at]!;
    const improved = given.targets.map((target, index) =>
      index !== at ? target : {
        ...target,
        weight: target.weight + 10,
        signals: { ...target.signals, successes: target.signals.observations },
      }
    );
    const after = rank({ ...given, targets: improved }, optionsOf()).final[at]!;
    assert(after >= before - 1e-9, `${before} -> ${after}`);
  }));
});

Deno.test("dynamic_score does not depend on the order of the configuration but for ties", () => {
  fc.assert(fc.property(contexts, (given) => {
    const { final } = rank(given, optionsOf(EVERY_SCORE));
    const reversed = { ...given, targets: given.targets.toReversed() };
    const again = rank(reversed, optionsOf(EVERY_SCORE)).final.toReversed();
    final.forEach((score, index) => near(again[index]!, score));
  }));
});

const PRESETS: readonly (readonly [string, readonly string[]])[] = [
  ["cost", ["A", "B", "C"]],
  ["latency", ["B", "A", "C"]],
];

for (const [name, expected] of PRESETS) {
  Deno.test(`strategy ${name} orders by its one score`, () => {
    const { options, create } = strategies.get(name);
    const keys = { routing_policy: { dynamic_score: { explore_percent: 0 } } };
    const plan = create(options.parse(keys), SERVICES)(EXAMPLE, ASKING);
    assert(!(plan instanceof Promise));
    const ids = checkPlan(plan, EXAMPLE).order.map((index) => EXAMPLE.targets[index]!.id);
    assert.deepEqual(ids, expected);
  });
}

for (
  const text of [
    "",
    "2",
    "cost",
    "cost_score +",
    "0.5 cost_score",
    "1e3*cost_score",
    "cost_score ** 2",
  ]
) {
  Deno.test(`score expression refuses "${text}"`, () => {
    assert.equal(typeof readExpression(text), "string");
  });
}
