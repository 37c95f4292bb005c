import assert from "node:assert/strict";
import { GatewayError } from "@/core/errors.ts";
import { checkPlan, readPlan } from "@/core/plan.ts";
import type { Plan } from "@/core/strategy.ts";
import { contextOf, targetOf } from "./builders.ts";

/** Three targets; the last two share provider and model. */
const CONTEXT = contextOf([
  targetOf({ id: "a", model: "m1" }),
  targetOf({ id: "b", model: "m2" }),
  targetOf({ id: "c", model: "m2" }),
]);

const HOLDS: readonly (readonly [string, Plan, readonly number[]])[] = [
  ["an index leads to all others, in order", { targetIndex: 1 }, [1, 0, 2]],
  ["an id leads like an index", { target: "b" }, [1, 0, 2]],
  ["provider and model lead like an id", {
    target: { provider: "acme", model: "m1" },
  }, [0, 1, 2]],
  ["a selector that matches several means the first in order", {
    target: { provider: "acme", model: "m2" },
  }, [1, 0, 2]],
  ["an index and a selector may agree", { targetIndex: 2, target: "c" }, [2, 0, 1]],
  ["no fallbacks are no retry", { targetIndex: 1, fallbackIndexes: [] }, [1]],
  ["no fallback selectors are no retry", { targetIndex: 1, fallbacks: [] }, [1]],
  ["fallback indexes are exactly these", { targetIndex: 2, fallbackIndexes: [0] }, [2, 0]],
  ["fallback selectors are exactly these", { targetIndex: 0, fallbacks: ["c", "b"] }, [0, 2, 1]],
  ["repeats and the first target drop out", {
    targetIndex: 1,
    fallbackIndexes: [1, 0, 0, 1, 2],
  }, [1, 0, 2]],
];

for (const [name, plan, order] of HOLDS) {
  Deno.test(`plan: ${name}`, () => {
    assert.deepEqual(checkPlan(plan, CONTEXT), { order, classLabel: null });
  });
}

/** Plans are written by strangers: the checker must not trust their types. */
const REFUSED: readonly (readonly [string, unknown, string])[] = [
  ["null is no plan", null, "policy-plan-invalid"],
  ["an absent plan is no plan", undefined, "policy-plan-invalid"],
  ["a number is no plan", 0, "policy-plan-invalid"],
  ["a list is no plan", [0], "policy-plan-invalid"],
  ["a plan without first target is none", { fallbackIndexes: [0] }, "policy-plan-invalid"],
  ["index and selector must agree", { targetIndex: 0, target: "b" }, "policy-plan-invalid"],
  ["both kinds of fallbacks are too many", {
    targetIndex: 0,
    fallbackIndexes: [1],
    fallbacks: ["b"],
  }, "policy-plan-invalid"],
  ["fallbacks that are no list are none", {
    targetIndex: 0,
    fallbackIndexes: "1",
  }, "policy-plan-invalid"],
  ["fallback selectors that are no list are none", {
    targetIndex: 0,
    fallbacks: { length: 1 },
  }, "policy-plan-invalid"],
  ["nothing is no selector", { targetIndex: 0, fallbacks: [null] }, "policy-plan-invalid"],
  ["null is no selector of the first", { target: null }, "policy-plan-invalid"],
  ["an index past the end is not eligible", { targetIndex: 3 }, "policy-ineligible-target"],
  ["a negative index is not eligible", { targetIndex: -1 }, "policy-ineligible-target"],
  ["a fraction is no index", { targetIndex: 0.5 }, "policy-ineligible-target"],
  ["NaN is no index", { targetIndex: NaN }, "policy-ineligible-target"],
  ["a text is no index", { targetIndex: "0" }, "policy-ineligible-target"],
  ["an unknown id is not eligible", { target: "z" }, "policy-ineligible-target"],
  ["an unknown model is not eligible", {
    target: { provider: "acme", model: "m9" },
  }, "policy-ineligible-target"],
  ["a fallback past the end is not eligible", {
    targetIndex: 0,
    fallbackIndexes: [1, 3],
  }, "policy-ineligible-target"],
  ["an unknown fallback is not eligible", {
    targetIndex: 0,
    fallbacks: ["z"],
  }, "policy-ineligible-target"],
];

for (const [name, plan, fault] of REFUSED) {
  Deno.test(`plan: ${name}`, () => {
    assert.throws(() => checkPlan(plan as Plan, CONTEXT), (error) => {
      assert(error instanceof GatewayError);
      assert.deepEqual([error.type, error.details["fault"]], ["internal-error", fault]);
      return true;
    });
  });
}

Deno.test("plan that does not hold is told in words of ours, with nothing of it in them", () => {
  const problems: readonly (readonly [string, string])[] = [
    ['{"order":[0,1]}', "it has neither `targetIndex` nor `target`"],
    ['{"targetIndex":0,"fallbackIndexes":"secret"}', "its `fallbackIndexes` is no list"],
    ['{"target":"secret"}', "a target it names is none of `context.targets`"],
    ['{"targetIndex":7}', "an index is none of `context.targets`"],
    ["secret", "it is not JSON"],
  ];
  for (const [text, problem] of problems) {
    const told = readPlan(text, CONTEXT);
    assert.equal(told.kind === "fault" && told.problem, problem);
  }
});

const LABELS: readonly (readonly [string, string])[] = [
  ["size:small", "size:small"],
  ["A-z_0.9:x", "A-z_0.9:x"],
  ["x".repeat(64), "x".repeat(64)],
  ["x".repeat(65), "unsafe_class_label"],
  ["", "unsafe_class_label"],
  ["two words", "unsafe_class_label"],
  ["<script>", "unsafe_class_label"],
  ["line\n", "unsafe_class_label"],
];

for (const [label, stored] of LABELS) {
  Deno.test(`plan label ${JSON.stringify(label.slice(0, 20))} is stored as ${stored}`, () => {
    const plan = checkPlan({ targetIndex: 0, classLabel: label }, CONTEXT);
    assert.equal(plan.classLabel, stored);
  });
}

Deno.test("plan label that is no text is not stored", () => {
  for (const label of ['["small"]', "7", "true"]) {
    const told = readPlan(`{"targetIndex":0,"classLabel":${label}}`, CONTEXT);
    assert.equal(told.kind === "plan" && told.checked.classLabel, "unsafe_class_label");
  }
});

Deno.test("plan members that are not known are ignored", () => {
  const plan = { targetIndex: 0, fallbackIndexes: [], confidence: 1 };
  assert.deepEqual(checkPlan(plan, CONTEXT).order, [0]);
});
