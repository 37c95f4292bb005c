import { planFault } from "../sandbox/group_policy.ts";
import type { HostAnswer } from "../sandbox/host_process.ts";
import { GatewayError } from "../../core/errors.ts";
import { checkPlan } from "../../core/plan.ts";
import { planJson } from "../../core/plan_json.ts";
import type { Plan, RouteContext } from "../../core/strategy.ts";
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
  const plan = decide(context);
  return checked(plan instanceof Promise ? await plan : plan, context);
}

function scriptPlan(answer: HostAnswer, context: RouteContext): Planned {
  if (answer.kind === "lost") return { kind: "fault", fault: "policy-unavailable" };
  if (answer.kind === "fault") return { kind: "fault", fault: answer.fault };
  try {
    return checked(JSON.parse(answer.text), context);
  } catch (error) {
    if (!(error instanceof SyntaxError) && !(error instanceof GatewayError)) throw error;
    return { kind: "fault", fault: planFault(error) };
  }
}

function checked(plan: Plan, context: RouteContext): Planned {
  const held = checkPlan(plan, context);
  return { kind: "plan", json: planJson(plan, held), order: held.order };
}
