import { GatewayError } from "./errors.ts";
import { parseJson } from "./parse_json.ts";
import type { CheckedPlan, Plan, PolicyOutcome, RouteContext, TargetSelector } from "./strategy.ts";

const CLASS_LABEL = /^[A-Za-z0-9_.:-]{1,64}$/;

/** A plan that cannot be followed, and why: in words of ours, with nothing of the plan in them. */
export class PlanError extends GatewayError {
  constructor(
    readonly fault: "policy-plan-invalid" | "policy-ineligible-target",
    readonly problem: string,
  ) {
    super("internal-error", `Cannot follow the plan of the group's strategy: ${problem}`, {
      fault,
    });
  }
}

/**
 * Checks what a strategy returned, whoever wrote it: one validation for every strategy.
 *
 * @throws {PlanError}
 */
export function checkPlan(plan: Plan, context: RouteContext): CheckedPlan {
  if (typeof plan !== "object" || plan === null) throw invalid("it is no object");
  const first = firstTarget(plan, context);
  if (plan.fallbackIndexes !== undefined && plan.fallbacks !== undefined) {
    throw invalid("it has both `fallbackIndexes` and `fallbacks`");
  }
  const rest = listOf(plan, "fallbackIndexes")?.map((index) => inRange(index, context)) ??
    listOf(plan, "fallbacks")?.map((selector) => find(selector, context)) ??
    context.targets.map((target) => target.index);
  return {
    order: [...new Set([first, ...rest])],
    classLabel: safeLabel(plan.classLabel),
  };
}

/** Reads a plan that came as JSON, and checks it. */
export function readPlan(text: string, context: RouteContext): PolicyOutcome {
  return judged(() => parseJson(text), context);
}

/** Checks a plan that was made for an earlier context. */
export function recheckPlan(plan: Plan, context: RouteContext): PolicyOutcome {
  return judged(() => plan, context);
}

function judged(planned: () => Plan, context: RouteContext): PolicyOutcome {
  try {
    const plan = planned();
    return { kind: "plan", plan, checked: checkPlan(plan, context) };
  } catch (error) {
    if (error instanceof SyntaxError) {
      return { kind: "fault", fault: "policy-output-invalid", problem: "it is not JSON" };
    }
    if (!(error instanceof PlanError)) throw error;
    return { kind: "fault", fault: error.fault, problem: error.problem };
  }
}

function firstTarget(plan: Plan, context: RouteContext): number {
  const byIndex = plan.targetIndex === undefined ? null : inRange(plan.targetIndex, context);
  const bySelector = plan.target === undefined ? null : find(plan.target, context);
  const first = byIndex ?? bySelector;
  if (first === null) throw invalid("it has neither `targetIndex` nor `target`");
  if (bySelector !== null && bySelector !== first) {
    throw invalid("its `targetIndex` and its `target` are two targets");
  }
  return first;
}

/** A plan may be a stranger's: lists are lists only when they are. */
function listOf<Name extends "fallbackIndexes" | "fallbacks">(plan: Plan, name: Name): Plan[Name] {
  const list = plan[name];
  if (list === undefined || Array.isArray(list)) return list;
  throw invalid(`its \`${name}\` is no list`);
}

function inRange(index: number, { targets }: RouteContext): number {
  if (Number.isInteger(index) && index >= 0 && index < targets.length) return index;
  throw ineligible("an index is none of `context.targets`");
}

function find(selector: TargetSelector, { targets }: RouteContext): number {
  const isSelector = typeof selector === "string" ||
    (typeof selector === "object" && selector !== null);
  if (!isSelector) throw invalid("a target is named by neither its id nor {provider, model}");
  const found = targets.find((target) =>
    typeof selector === "string"
      ? target.id === selector
      : target.provider === selector.provider && target.model === selector.model
  );
  if (!found) throw ineligible("a target it names is none of `context.targets`");
  return found.index;
}

/** A stranger's label may be a list, whose text would pass. */
function safeLabel(label: unknown): string | null {
  if (label === undefined || label === null) return null;
  return typeof label === "string" && CLASS_LABEL.test(label) ? label : "unsafe_class_label";
}

function invalid(problem: string): PlanError {
  return new PlanError("policy-plan-invalid", problem);
}

function ineligible(problem: string): PlanError {
  return new PlanError("policy-ineligible-target", problem);
}
