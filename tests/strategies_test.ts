import assert from "node:assert/strict";
import fc from "fast-check";
import { deepFreeze } from "@/core/config/canonical.ts";
import { checkPlan } from "@/core/plan.ts";
import type { Decide, RouteContext } from "@/core/strategy.ts";
import { strategies } from "@/strategies/mod.ts";
import { ASKING, contextOf, SERVICES, targetsWeighing } from "./builders.ts";
import { STRATEGY_CASES } from "./strategy_cases.ts";

/** A frozen context of targets with these weights. */
function weighing(weights: readonly number[], seed = 42): RouteContext {
  return deepFreeze(contextOf(targetsWeighing(weights), { seed }));
}

/** The places of the targets a strategy would try, from 1. */
function order(decide: Decide, context: RouteContext): readonly number[] {
  const plan = decide(context, ASKING);
  assert(!(plan instanceof Promise), "a built-in strategy decides without waiting");
  return checkPlan(plan, context).order.map((index) => index + 1);
}

for (const { name, options, create, policy } of strategies.items) {
  if (policy) continue;
  const decide = create(options.parse({}), SERVICES);

  for (const [weights, seed, expected] of STRATEGY_CASES[name] ?? []) {
    Deno.test(`${name} orders weights ${weights.join(", ")} at seed ${seed} as ${expected}`, () => {
      assert.deepEqual(order(decide, weighing(weights, seed)), expected);
    });
  }

  Deno.test(`${name} refuses an option it does not know`, () => {
    assert.equal(options.safeParse({ unheard_of: 1 }).success, false);
  });

  Deno.test(`${name} makes a plan that holds, twice the same, of any context`, () => {
    fc.assert(fc.property(weights, seeds, (weights, seed) => {
      const context = weighing(weights, seed);
      const plan = order(decide, context);
      assert.equal(new Set(plan).size, plan.length);
      assert.deepEqual(order(decide, context), plan);
      assert.deepEqual(order(create(options.parse({}), SERVICES), context), plan);
    }));
  });

  Deno.test(`${name} tries no target of weight 0 before one that has weight`, () => {
    fc.assert(fc.property(weights, seeds, (weights, seed) => {
      const plan = order(decide, weighing(weights, seed));
      const weightless = plan.map((place) => weights[place - 1] === 0);
      assert.deepEqual(weightless, weightless.toSorted((a, b) => Number(a) - Number(b)));
      if (weights.some((weight) => weight > 0)) assert.equal(weightless[0], false);
    }));
  });
}

const weights = fc.array(fc.integer({ min: 0, max: 100 }), { minLength: 1, maxLength: 8 });
const seeds = fc.integer({ min: 0, max: 0xffff_ffff });

const DRAWS = 100_000;
const SHARES = [70, 20, 10];

/** How often each order comes up over `DRAWS` seeds. */
function draws(): ReadonlyMap<string, number> {
  const decide = strategies.get("weighted").create({}, SERVICES);
  const context = contextOf(targetsWeighing(SHARES));
  const counts = new Map<string, number>();
  for (let draw = 0; draw < DRAWS; draw++) {
    const seed = Math.imul(draw, 0x9e37_79b1) >>> 0;
    const key = order(decide, { ...context, seed }).join();
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  return counts;
}

Deno.test("weighted meets its weights within 1 % over 100,000 draws, fallbacks included", () => {
  const counts = draws();
  const first = (place: number) =>
    [...counts].filter(([key]) => key.startsWith(`${place}`))
      .reduce((sum, [, count]) => sum + count, 0);
  SHARES.forEach((share, index) => {
    assert(Math.abs(first(index + 1) / DRAWS - share / 100) < 0.01, `target ${index + 1}`);
  });
  assert(chiSquare(counts) < CHI_SQUARE_5_AT_1_PERCENT);
});

/** Six orders leave five degrees of freedom. */
const CHI_SQUARE_5_AT_1_PERCENT = 15.086;

function chiSquare(counts: ReadonlyMap<string, number>): number {
  const orders = [[1, 2, 3], [1, 3, 2], [2, 1, 3], [2, 3, 1], [3, 1, 2], [3, 2, 1]];
  return orders.reduce((sum, places) => {
    const [first, second] = places.map((place) => SHARES[place - 1]! / 100);
    const expected = DRAWS * first! * second! / (1 - first!);
    const found = counts.get(places.join()) ?? 0;
    return sum + (found - expected) ** 2 / expected;
  }, 0);
}
