import { parseJson } from "../../core/parse_json.ts";
import { checkPlan, PlanError } from "../../core/plan.ts";
import { planJson } from "../../core/plan_json.ts";
import type { Plan, RouteContext } from "../../core/strategy.ts";
import { type Fixture, parseFixture } from "./fixture.ts";

/** What a policy must do; what is not stated is not looked at. Plain JSON. */
interface Expectation {
  readonly name: string;
  /** Id of the first target. */
  readonly target?: string;
  /** Ids of the others, in their order. */
  readonly fallbacks?: readonly string[];
  readonly classLabel?: string;
  readonly metadata?: NonNullable<Plan["metadata"]>;
  /** The fault that the case must end as, such as `policy-threw`. */
  readonly fault?: string;
}

/**
 * A context, and what a policy must make of it. A fixture, by its path from the file of the cases, has
 * its context with it; where nothing is stated, its plan is what must come out.
 */
export type PolicyCase =
  & Expectation
  & (
    | { readonly given: RouteContext; readonly fixture?: undefined }
    | { readonly fixture: string; readonly given?: undefined }
  );

/** A case with its fixture read. */
export interface ReadCase extends Expectation {
  readonly given: RouteContext;
  /** `null`: it is none of a fixture. */
  readonly recorded: Fixture | null;
}

/** Reads the fixture of a case, if it has one. */
export function readCase(stated: PolicyCase, read: (path: string) => string): ReadCase {
  if (stated.fixture === undefined) return { ...stated, recorded: null };
  const recorded = parseFixture(read(stated.fixture), stated.fixture);
  return { ...stated, given: recorded.context, recorded };
}

/** What came of a decision, in names instead of places. */
export type CaseOutcome =
  | {
    readonly fault: string;
    /** What is wrong with the plan, or what the policy threw; `null`: the fault's name says all. */
    readonly why: string | null;
  }
  | { readonly order: readonly string[]; readonly plan: Plan; readonly json: string };

/** Reads a plan as the gateway would. */
export function outcomeOf(plan: Plan, given: RouteContext): CaseOutcome {
  try {
    const checked = checkPlan(plan, given);
    const order = checked.order.map((index) => given.targets[index]?.id ?? "");
    return { order, plan, json: planJson(plan, checked) };
  } catch (error) {
    if (!(error instanceof PlanError)) throw error;
    return { fault: error.fault, why: error.problem };
  }
}

/** How an outcome differs from what its case states; a line each, none when it does not. */
export function differences(outcome: CaseOutcome, expected: ReadCase): readonly string[] {
  const recorded = recordedPlan(expected);
  const pairs: readonly (readonly [name: string, want: unknown, got: unknown])[] =
    "fault" in outcome || expected.fault !== undefined
      ? [["fault", expected.fault, "fault" in outcome ? outcome.fault : undefined]]
      : [
        ["target", expected.target, outcome.order[0]],
        ["fallbacks", expected.fallbacks, outcome.order.slice(1)],
        ["classLabel", expected.classLabel, outcome.plan.classLabel],
        ["metadata", expected.metadata, outcome.plan.metadata],
        ["plan", recorded, recorded && parseJson(outcome.json)],
      ];
  return pairs.flatMap(([name, want, got]) => {
    if (want === undefined && name !== "fault") return [];
    const [wanted, found] = [want, got].map((value) => JSON.stringify(value) ?? "none");
    if (wanted === found) return [];
    const why = name === "fault" && "fault" in outcome && outcome.why !== null;
    return [`${name}: expected ${wanted}, found ${found}${why ? ` (${outcome.why})` : ""}`];
  });
}

/** The plan of a fixture, where the case states nothing else. */
function recordedPlan({ recorded, ...expected }: ReadCase): Plan | undefined {
  const { target, fallbacks, classLabel, metadata, fault } = expected;
  const states = [target, fallbacks, classLabel, metadata, fault].some((it) => it !== undefined);
  return states ? undefined : recorded?.plan;
}
