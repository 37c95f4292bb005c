import { parseJson } from "../../core/parse_json.ts";
import type { Plan, RouteContext } from "../../core/strategy.ts";

/** A recorded decision as a file; `pointsman policy export-fixture` writes it. */
export interface Fixture {
  readonly version: 1;
  readonly context: RouteContext;
  /** As it was decided, before affinity, budgets and availability changed its order. */
  readonly plan: Plan;
  /** SHA-256 of the policy's bundle in hex; `null`: a built-in strategy decided. */
  readonly policyDigest: string | null;
  /** What ran the decision, such as `deno/2.9.6 v8/15.0`. */
  readonly engine: string;
}

/**
 * Reads the text of a fixture.
 *
 * @throws {RangeError} when it is none
 */
export function parseFixture(text: string, path: string): Fixture {
  const fixture: Partial<Fixture> = parseJson(text);
  if (fixture.version === 1 && fixture.context && fixture.plan) return fixture as Fixture;
  throw new RangeError(`Cannot read fixture "${path}": expected version 1, a context and a plan`);
}
