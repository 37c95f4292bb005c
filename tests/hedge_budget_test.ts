import assert from "node:assert/strict";
import { createHedgeBudget } from "@/core/hedge_budget.ts";
import { groupOf } from "./builders.ts";

const hedged = (maxPercent: number, name = "fast") =>
  groupOf({ name, hedge: { afterMs: 1, maxPercent, maxPressure: 0.8 } });

/** How many of so many calls, each of which would have a hedge, get one. */
function hedgesOf(calls: number, maxPercent: number): number {
  const budget = createHedgeBudget();
  const group = hedged(maxPercent);
  let hedges = 0;
  for (let call = 0; call < calls; call++) {
    budget.countCall(group);
    if (!budget.has(group)) continue;
    budget.take(group);
    hedges += 1;
  }
  return hedges;
}

for (const [calls, percent, hedges] of [[19, 5, 0], [20, 5, 1], [1_000, 5, 50], [10, 100, 10]]) {
  Deno.test(`a share of ${percent} % of ${calls} calls is ${hedges} hedges`, () => {
    assert.equal(hedgesOf(calls!, percent!), hedges);
  });
}

Deno.test("a share of 0 % is none", () => assert.equal(hedgesOf(1_000, 0), 0));

for (const [percent, hedges] of [[0.1, 1], [5, 10], [100, 200]]) {
  Deno.test(`of a share of ${percent} %, ${hedges} hedges are saved up at most`, () => {
    const budget = createHedgeBudget();
    const group = hedged(percent!);
    for (let call = 0; call < 2_000; call++) budget.countCall(group);
    let taken = 0;
    for (; budget.has(group); taken++) budget.take(group);
    assert.equal(taken, hedges);
  });
}

Deno.test("the share of one group is not spent by another, nor saved by one without hedges", () => {
  const budget = createHedgeBudget();
  const [fast, slow, plain] = [hedged(100), hedged(100, "slow"), groupOf({ name: "plain" })];
  for (const group of [fast, slow, plain]) budget.countCall(group);
  budget.take(fast);
  assert.deepEqual([fast, slow, plain].map(budget.has), [false, true, false]);
});
