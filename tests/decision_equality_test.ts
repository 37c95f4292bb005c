import assert from "node:assert/strict";
import { join } from "node:path";
import fc from "fast-check";
import { checkPlan, readPlan } from "@/core/plan.ts";
import { planJson } from "@/core/plan_json.ts";
import type { Plan, RouteContext } from "@/core/strategy.ts";
import { packContext, unpackContext } from "@/core/telemetry/context_record.ts";
import { route as byCost } from "@/policies/examples/cost_tiering.ts";
import { route as sticky } from "@/policies/examples/latency_sticky.ts";
import { ASKING } from "@/policies/replay/plans.ts";
import { ReplaySandbox } from "@/policies/replay/sandbox.ts";
import { createBundler } from "@/policies/sandbox/bundler.ts";
import { outcomeOf } from "@/policies/sdk/policy_case.ts";
import { strategies } from "@/strategies/mod.ts";
import { contextOf, staticsOf, type TestStrategy } from "./replay_calls.ts";

const EXAMPLES = new URL("../policies/examples/", import.meta.url).pathname;

/** A context as a record gives it back. */
function again(given: RouteContext): RouteContext {
  return unpackContext(packContext(given), staticsOf("failover"));
}

const POLICIES: readonly (readonly [string, (context: RouteContext) => Plan])[] = [
  ["cost_tiering.ts", byCost],
  ["latency_sticky.ts", sticky],
];

for (const [file, route] of POLICIES) {
  Deno.test(`${file} gives the same plan bytes in a test, in the sandbox, and from a record`, async () => {
    using bundler = createBundler();
    const result = await bundler.bundle(join(EXAMPLES, file), EXAMPLES);
    assert(result.ok);
    await using sandbox = new ReplaySandbox(result.bundle.code);
    const contexts = fc.sample(fc.nat(), 1_000).map(contextOf);
    const inSandbox = await sandbox.decideAll(contexts.map((given) => JSON.stringify(given)));
    const fromRecord = await sandbox.decideAll(
      contexts.map((given) => JSON.stringify(again(given))),
    );
    contexts.forEach((given, index) => {
      const outcome = outcomeOf(JSON.parse(JSON.stringify(route(given))), given);
      assert("json" in outcome);
      for (const answer of [inSandbox[index]!, fromRecord[index]!]) {
        assert(answer.kind === "plan", JSON.stringify(answer));
        const read = readPlan(answer.text, given);
        assert(read.kind === "plan");
        assert.equal(planJson(read.plan, read.checked), outcome.json);
      }
    });
  });
}

for (
  const name of ["cost", "dynamic_score", "failover", "latency", "static", "weighted"] as const
) {
  Deno.test(`${name} gives the same plan bytes again from a record`, () => {
    const decide = decider(name);
    fc.assert(
      fc.property(fc.nat(), (n) => {
        const given = contextOf(n);
        assert.equal(jsonOf(decide, again(given)), jsonOf(decide, given));
      }),
      { numRuns: 1_000 },
    );
  });
}

function decider(name: TestStrategy) {
  const strategy = strategies.get(name);
  const base = () => ({ targetIndex: 0 });
  return strategy.create(strategy.options.parse({}), { group: "general", policies: null, base });
}

function jsonOf(decide: ReturnType<typeof decider>, given: RouteContext): string {
  const plan = decide(given, ASKING);
  assert(!(plan instanceof Promise));
  return planJson(plan, checkPlan(plan, given));
}

Deno.test("a record gives back the context that was packed, member by member in its order", () => {
  fc.assert(fc.property(fc.nat(), (n) => {
    const given = contextOf(n);
    assert.equal(JSON.stringify(again(given)), JSON.stringify(given));
  }));
});

Deno.test("one plan has one form, however it is written", () => {
  const given = contextOf(1);
  const ids = given.targets.map(({ id }) => id);
  const [first, ...others] = ids;
  const indexes = given.targets.slice(1).map(({ index }) => index);
  const plans: readonly Plan[] = [
    { targetIndex: 0 },
    { target: first! },
    { targetIndex: 0, fallbackIndexes: indexes },
    { target: { provider: "p1", model: "m1" }, fallbacks: others },
  ].filter((plan) => !("target" in plan) || typeof plan.target === "string" || first === "t1");
  const forms = plans.map((plan) => planJson(plan, checkPlan(plan, given)));
  assert.equal(new Set(forms).size, 1);
});

Deno.test("metadata of a plan keeps eight short scalars", () => {
  const given = contextOf(1);
  const many = Object.fromEntries(Array.from({ length: 12 }, (_, n) => [`n${n}`, n]));
  const plan = {
    targetIndex: 0,
    metadata: { nested: {} as never, long: "x".repeat(257), ["y".repeat(65)]: 1, ok: "x", ...many },
  };
  const { metadata } = JSON.parse(planJson(plan, checkPlan(plan, given)));
  assert.deepEqual(Object.keys(metadata), ["ok", "n0", "n1", "n2", "n3", "n4", "n5", "n6"]);
});
