import { faultOf, type HostAnswer } from "../sandbox/policy_host.ts";
import { checkPlan, readPlan } from "../../core/plan.ts";
import { planJson } from "../../core/plan_json.ts";
import type { Asking, CheckedPlan, Plan, RouteContext } from "../../core/strategy.ts";
import type { Decider } from "./deciders.ts";
import type { ReplaySandbox } from "./sandbox.ts";

/** A plan that holds, or the fault that stands in its place. */
export type Planned =
  | { readonly kind: "plan"; readonly json: string; readonly order: readonly number[] }
  | { readonly kind: "fault"; readonly fault: string };

/** A context, and what decides about it. */
export interface Question {
  readonly decider: Decider;
  readonly context: RouteContext;
}

/** Decides on contexts; what a policy is asked goes to its sandbox in one go. */
export async function plansOf(questions: readonly Question[]): Promise<readonly Planned[]> {
  const planned: Planned[] = [];
  const asked = new Map<ReplaySandbox, number[]>();
  for (const [index, { decider, context }] of questions.entries()) {
    if (decider.kind === "builtin") planned[index] = await builtinPlan(decider, context);
    else asked.set(decider.sandbox, [...asked.get(decider.sandbox) ?? [], index]);
  }
  for (const [sandbox, indexes] of asked) {
    const answers = await sandbox.decideAll(
      indexes.map((index) => JSON.stringify(questions[index]!.context)),
    );
    answers.forEach((answer, place) => {
      const index = indexes[place]!;
      planned[index] = scriptPlan(answer, questions[index]!.context);
    });
  }
  return planned;
}

async function builtinPlan(
  { decide }: Decider & { kind: "builtin" },
  context: RouteContext,
): Promise<Planned> {
  const decided = decide(context, ASKING);
  const plan = decided instanceof Promise ? await decided : decided;
  return held(plan, checkPlan(plan, context));
}

/** Nobody is served, and nobody is asked. */
export const ASKING: Asking = {
  trial: true,
  remote: false,
  role: "serve",
  signal: new AbortController().signal,
  runs: [],
};

function scriptPlan(answer: HostAnswer, context: RouteContext): Planned {
  if (answer.kind !== "plan") return { kind: "fault", fault: faultOf(answer) };
  const outcome = readPlan(answer.text, context);
  return outcome.kind === "plan" ? held(outcome.plan, outcome.checked) : outcome;
}

function held(plan: Plan, checked: CheckedPlan): Planned {
  return { kind: "plan", json: planJson(plan, checked), order: checked.order };
}
