import assert from "node:assert/strict";
import type { Effort, Reasoning } from "@/core/chat.ts";
import type { ReasoningSupport } from "@/core/snapshot.ts";
import {
  askedEffort,
  budgetOf,
  clampBudget,
  effortOf,
  listedEffort,
} from "@/dialects/reasoning_amount.ts";
import { plainTarget } from "./dialect_target.ts";

const support = (changes: Partial<ReasoningSupport> = {}): ReasoningSupport =>
  plainTarget("anthropic", { reasoning: changes }).reasoning;

Deno.test("each effort has its budget", () => {
  const efforts: Effort[] = ["none", "minimal", "low", "medium", "high", "xhigh", "max"];
  const budgets = efforts.map((effort) => budgetOf(effort, support()));
  assert.deepEqual(budgets, [0, 1_024, 2_048, 8_192, 24_576, 49_152, 65_536]);
  assert.equal(budgetOf("max", support({ maxBudgetTokens: 30_000 })), 30_000);
});

Deno.test("a budget is the nearest effort not above it, never max", () => {
  const budgets = [0, 1_023, 1_024, 2_047, 2_048, 10_000, 24_576, 49_151, 49_152, 1e6];
  assert.deepEqual(budgets.map(effortOf), [
    "minimal",
    "minimal",
    "minimal",
    "minimal",
    "low",
    "medium",
    "high",
    "high",
    "xhigh",
    "xhigh",
  ]);
});

Deno.test("an effort outside the list is the next lower listed, else the lowest", () => {
  const listed = (effort: Effort, efforts: string[]) => listedEffort(effort, support({ efforts }));
  assert.equal(listed("xhigh", ["low", "medium", "high"]), "high");
  assert.equal(listed("minimal", ["high", "low"]), "low");
  assert.equal(listed("medium", ["medium"]), "medium");
  assert.equal(listed("max", []), "max");
});

const CLAMPS:
  readonly (readonly [number, number | null, Partial<ReasoningSupport>, number | null])[] = [
    [2_000, null, {}, 2_000],
    [1, null, {}, 1_024],
    [1_500.2, null, {}, 1_501],
    [9_000, 9_000, {}, 8_999],
    [9_000, 1_025, {}, 1_024],
    [9_000, 1_024, {}, null],
    [9_000, 1_024, { budgetMustBeLessThanMaxTokens: false }, 9_000],
    [9_000, null, { maxBudgetTokens: 4_000 }, 4_000],
    [1_100, null, { minBudgetTokens: 2_000 }, 2_000],
  ];

for (const [budget, cap, changes, tokens] of CLAMPS) {
  Deno.test(`a budget of ${budget} under a cap of ${cap} with ${JSON.stringify(changes)} is ${tokens}`, () => {
    assert.equal(clampBudget(budget, cap, support(changes)), tokens);
  });
}

const asked = (reasoning: Omit<Reasoning, "extra">, changes: Partial<ReasoningSupport> = {}) => {
  const { effort, events } = askedEffort({ ...reasoning, extra: {} }, support(changes));
  return [effort, ...events.map(({ action, reason }) => `${action} ${reason}`)];
};

Deno.test("what is asked of reasoning is an effort that the target takes", () => {
  assert.deepEqual(askedEffort(undefined, support()), { effort: null, events: [] });
  assert.deepEqual(asked({ mode: "effort", effort: "low" }), ["low"]);
  assert.deepEqual(asked({ mode: "effort", effort: "xhigh" }), ["high", "clamped target-limit"]);
  assert.deepEqual(asked({ mode: "budget", budgetTokens: 9_000 }), ["medium"]);
  assert.deepEqual(asked({ mode: "adaptive", effort: "high" }), ["high"]);
  assert.deepEqual(asked({ mode: "adaptive" }), [null, "stripped no-counterpart"]);
  assert.deepEqual(asked({ mode: "adaptive", effort: "low" }, { supported: false }), [
    null,
    "stripped target-limit",
  ]);
});

Deno.test("off is none where the target reasons by default, else no field", () => {
  assert.deepEqual(asked({ mode: "off" }, { defaultOn: true }), ["none"]);
  assert.deepEqual(asked({ mode: "effort", effort: "none" }, { efforts: ["none"] }), ["none"]);
  assert.deepEqual(asked({ mode: "off" }), [null, "stripped default-value"]);
});
