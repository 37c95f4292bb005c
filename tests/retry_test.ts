import assert from "node:assert/strict";
import { createRetryBudget, retryDelayMs } from "@/core/retry.ts";
import { groupOf, RETRY } from "./builders.ts";

const LAST = 1 - Number.EPSILON;

const DELAYS: readonly (readonly [retries: number, mostMs: number])[] = [
  [0, 0],
  [1, 50],
  [2, 100],
  [3, 200],
  [5, 800],
  [6, 1_000],
  [60, 1_000],
];

for (const [retries, mostMs] of DELAYS) {
  Deno.test(`retry ${retries + 1} waits up to ${mostMs} ms`, () => {
    assert.equal(retryDelayMs(RETRY, retries, 0), 0);
    assert(Math.abs(retryDelayMs(RETRY, retries, LAST) - mostMs) < 1e-9);
    assert.equal(retryDelayMs(RETRY, retries, 0.5), mostMs / 2);
  });
}

function budgetAt(start = 0) {
  let now = start;
  const budget = createRetryBudget(() => now);
  return { budget, wait: (ms: number) => void (now += ms) };
}

Deno.test("retry budget that is off never refuses", () => {
  const { budget } = budgetAt();
  const group = groupOf();
  for (let retry = 0; retry < 1_000; retry++) assert(budget.takeRetry(group));
});

Deno.test("retry budget gives ten retries to a group without calls", () => {
  const { budget } = budgetAt();
  const group = groupOf({ retry: { budgetPercent: 20 } });
  const taken = Array.from({ length: 12 }, () => budget.takeRetry(group));
  assert.equal(taken.filter(Boolean).length, 10);
  assert.equal(taken.at(-1), false);
});

Deno.test("retry budget keeps retries below the share of calls plus ten", () => {
  const { budget } = budgetAt();
  const group = groupOf({ retry: { budgetPercent: 20 } });
  for (let call = 0; call < 100; call++) budget.countCall(group);
  const taken = Array.from({ length: 100 }, () => budget.takeRetry(group));
  assert.equal(taken.filter(Boolean).length, 30);
});

Deno.test("retry budget starts again after 10 s", () => {
  const { budget, wait } = budgetAt(5);
  const group = groupOf({ retry: { budgetPercent: 20 } });
  while (budget.takeRetry(group));
  wait(9_999);
  assert.equal(budget.takeRetry(group), false);
  wait(1);
  assert.equal(budget.takeRetry(group), true);
});

Deno.test("retry budget of one group is not spent by another", () => {
  const { budget } = budgetAt();
  const retry = { budgetPercent: 20 };
  const [fast, slow] = [groupOf({ retry }), groupOf({ retry, name: "slow" })];
  while (budget.takeRetry(fast));
  assert.equal(budget.takeRetry(slow), true);
});
