import { GatewayError } from "./errors.ts";
import type { PolicyFault } from "./policy_fault.ts";
import type { CheckedPlan, Plan, PolicyOutcome, RouteContext, TargetSelector } from "./strategy.ts";

const CLASS_LABEL = /^[A-Za-z0-9_.:-]{1,64}$/;

/**
 * Checks what a strategy returned, whoever wrote it: one validation for every strategy.
 *
 * @throws {GatewayError} `internal-error` with the fault `policy-plan-invalid` or
 * `policy-ineligible-target`
 */
export function checkPlan(plan: Plan, context: RouteContext): CheckedPlan {
  if (typeof plan !== "object" || plan === null) throw fault("policy-plan-invalid");
  const first = firstTarget(plan, context);
  if (plan.fallbackIndexes !== undefined && plan.fallbacks !== undefined) {
    throw fault("policy-plan-invalid");
  }
  // A plan may be a stranger's: lists are lists only when they are.
  for (const list of [plan.fallbackIndexes, plan.fallbacks]) {
    if (list !== undefined && !Array.isArray(list)) throw fault("policy-plan-invalid");
  }
  const rest = plan.fallbackIndexes?.map((index) => inRange(index, context)) ??
    plan.fallbacks?.map((selector) => find(selector, context)) ??
    context.targets.map((target) => target.index);
  return {
    order: [...new Set([first, ...rest])],
    classLabel: safeLabel(plan.classLabel),
  };
}

/** Reads a plan that came as JSON, and checks it. */
export function readPlan(text: string, context: RouteContext): PolicyOutcome {
  return judged(() => JSON.parse(text), context);
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
    return { kind: "fault", fault: faultOf(error) };
  }
}

function faultOf(error: unknown): PolicyFault {
  if (error instanceof SyntaxError) return "policy-output-invalid";
  if (!(error instanceof GatewayError)) throw error;
  return error.details["fault"] === "policy-ineligible-target"
    ? "policy-ineligible-target"
    : "policy-plan-invalid";
}

function firstTarget(plan: Plan, context: RouteContext): number {
  const byIndex = plan.targetIndex === undefined ? null : inRange(plan.targetIndex, context);
  const bySelector = plan.target === undefined ? null : find(plan.target, context);
  const first = byIndex ?? bySelector;
  if (first === null) throw fault("policy-plan-invalid");
  if (bySelector !== null && bySelector !== first) throw fault("policy-plan-invalid");
  return first;
}

function inRange(index: number, { targets }: RouteContext): number {
  if (Number.isInteger(index) && index >= 0 && index < targets.length) return index;
  throw fault("policy-ineligible-target");
}

function find(selector: TargetSelector, { targets }: RouteContext): number {
  const isSelector = typeof selector === "string" ||
    (typeof selector === "object" && selector !== null);
  if (!isSelector) throw fault("policy-plan-invalid");
  const found = targets.find((target) =>
    typeof selector === "string"
      ? target.id === selector
      : target.provider === selector.provider && target.model === selector.model
  );
  if (!found) throw fault("policy-ineligible-target");
  return found.index;
}

/** A stranger's label may be a list, whose text would pass. */
function safeLabel(label: unknown): string | null {
  if (label === undefined || label === null) return null;
  return typeof label === "string" && CLASS_LABEL.test(label) ? label : "unsafe_class_label";
}

function fault(name: "policy-plan-invalid" | "policy-ineligible-target"): GatewayError {
  return new GatewayError("internal-error", "Cannot follow the plan of the group's strategy", {
    fault: name,
  });
}
