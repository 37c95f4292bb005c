import { GatewayError } from "../../core/errors.ts";
import { checkPlan } from "../../core/plan.ts";
import type { Plan, RouteContext } from "../../core/strategy.ts";

/** What a policy must make of a context; what is not stated is not looked at. Plain JSON. */
export interface PolicyCase {
  readonly name: string;
  readonly given: RouteContext;
  /** Id of the first target. */
  readonly target?: string;
  /** Ids of the others, in their order. */
  readonly fallbacks?: readonly string[];
  readonly classLabel?: string;
  readonly metadata?: NonNullable<Plan["metadata"]>;
  /** The fault that the case must end as, such as `policy-threw`. */
  readonly fault?: string;
}

/** What came of a decision, in names instead of places. */
export type CaseOutcome =
  | { readonly fault: string }
  | { readonly order: readonly string[]; readonly plan: Plan };

/** Reads a plan as the gateway would. */
export function outcomeOf(plan: Plan, given: RouteContext): CaseOutcome {
  try {
    const { order } = checkPlan(plan, given);
    return { order: order.map((index) => given.targets[index]?.id ?? ""), plan };
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error;
    return { fault: String(error.details["fault"]) };
  }
}

/** How an outcome differs from what its case states; a line each, none when it does not. */
export function differences(outcome: CaseOutcome, expected: PolicyCase): readonly string[] {
  const pairs: readonly (readonly [name: string, want: unknown, got: unknown])[] =
    "fault" in outcome || expected.fault !== undefined
      ? [["fault", expected.fault, "fault" in outcome ? outcome.fault : undefined]]
      : [
        ["target", expected.target, outcome.order[0]],
        ["fallbacks", expected.fallbacks, outcome.order.slice(1)],
        ["classLabel", expected.classLabel, outcome.plan.classLabel],
        ["metadata", expected.metadata, outcome.plan.metadata],
      ];
  return pairs.flatMap(([name, want, got]) => {
    if (want === undefined && name !== "fault") return [];
    const [wanted, found] = [want, got].map((value) => JSON.stringify(value) ?? "none");
    return wanted === found ? [] : [`${name}: expected ${wanted}, found ${found}`];
  });
}
