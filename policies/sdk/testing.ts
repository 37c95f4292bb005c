import assert from "node:assert/strict";
import { parseJson } from "../../core/parse_json.ts";
import type { Plan, RouteContext } from "../../core/strategy.ts";
import {
  type CaseOutcome,
  differences,
  outcomeOf,
  type PolicyCase,
  readCase,
} from "./policy_case.ts";

export { context, type Stated, type StatedContext } from "./context.ts";
export type { Fixture } from "./fixture.ts";
export type { PolicyCase } from "./policy_case.ts";

/** A policy's one function. */
export type Route = (context: RouteContext) => Plan | Promise<Plan>;

/**
 * One test for each case, and the laws of every policy on each: it leaves its context alone, its
 * plan holds, and it decides the same again, whatever it decided meanwhile. `pointsman policy test`
 * runs the same cases in the sandbox of the gateway. Fixtures need `--allow-read`.
 */
export function testPolicy(route: Route, stated: readonly PolicyCase[]): void {
  const cases = stated.map((policyCase) => readCase(policyCase, readBeside));
  for (const policyCase of cases) {
    Deno.test(policyCase.name, async () => {
      const { outcome, thrown } = await decide(route, policyCase.given);
      const differs = differences(outcome, policyCase);
      if (differs.length > 0) throw new Error(differs.join("\n"), { cause: thrown });
    });
  }
  Deno.test("policy decides the same again, in any order", async () => {
    const forwards: CaseOutcome[] = [];
    for (const { given } of cases) forwards.push((await decide(route, given)).outcome);
    const backwards: CaseOutcome[] = [];
    for (const { given } of cases.toReversed()) {
      backwards.push((await decide(route, given)).outcome);
    }
    assert.deepEqual(backwards.reverse(), forwards);
  });
}

function readBeside(path: string): string {
  return Deno.readTextFileSync(new URL(path, Deno.mainModule));
}

async function decide(route: Route, given: RouteContext): Promise<Decided> {
  let plan: Plan;
  try {
    plan = parseJson(JSON.stringify(await route(frozen(given))));
  } catch (thrown) {
    return { outcome: { fault: "policy-threw", why: String(thrown) }, thrown };
  }
  return { outcome: outcomeOf(plan, given) };
}

interface Decided {
  readonly outcome: CaseOutcome;
  /** What the policy threw: its stack says where. */
  readonly thrown?: unknown;
}

/** A copy that throws where a policy writes to it. */
function frozen<Value>(value: Value): Value {
  return freeze(structuredClone(value));
}

function freeze<Value>(value: Value): Value {
  if (typeof value !== "object" || value === null) return value;
  for (const inner of Object.values(value)) freeze(inner);
  return Object.freeze(value);
}
