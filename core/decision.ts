import type { GatewayError } from "./errors.ts";
import type { BudgetRule, Group, Target } from "./snapshot.ts";
import type { CheckedPlan, Decider, Findings, Plan, PolicyRun, RouteContext } from "./strategy.ts";

/** What came of a decision; `left`: its call was cut before it was made, and nothing is recorded of it. */
export type DecisionOutcome =
  | "planned"
  | "no-eligible-target"
  | "context-length-exceeded"
  | "policy-error"
  | "left";

/** Which of a group's deciders a call belongs to: `base`, unless a rollout says otherwise. */
export type Arm = "base" | "rollout";

/** How the pin of a call's conversation stands. */
export type PinState = "hit" | "miss" | "expired" | "ineligible" | "deferred" | "disabled";

/** What may change the order of a plan, in this order. */
export type PassName = "strategy" | "pin" | "budget" | "availability";

/** The order as a pass left it, in indexes of `RouteContext.targets`. */
export interface PassedOrder {
  readonly pass: PassName;
  readonly order: readonly number[];
}

/**
 * What was decided about a call, and how that came about: `route` makes it, the passes add what they
 * saw, and telemetry and `explain` read it.
 */
export interface Decision {
  readonly group: Group;
  readonly context: RouteContext;
  /** By index of `RouteContext.targets`. */
  readonly eligible: readonly Target[];
  readonly arm: Arm;
  outcome: DecisionOutcome;
  /** Why there is no plan; `null` when there is one. */
  error: GatewayError | null;
  /** As the strategy gave it, before the passes. */
  plan: Plan | null;
  checked: CheckedPlan | null;
  readonly passes: PassedOrder[];
  /** In the order to try them. */
  targets: readonly Target[];
  /** Of policies, in their order. */
  readonly runs: readonly PolicyRun[];
  pinState: PinState;
  /** What holds at the pressure on the caller's budget. */
  readonly budgetRule: BudgetRule | null;
  /** Targets that stand behind the others because they fail now. */
  deferredCount: number;
  /** All of them fail now: the order stands. */
  panic: boolean;
  decideMs: number;
}

const NOTHING_FOUND: Findings = {
  explored: false,
  coldStart: false,
  overThreshold: false,
  scores: null,
};

/** What the strategy that decided says of its plan, read again from the same context. */
export function findingsOf({ group, arm, context, runs, checked }: Decision): Findings {
  if (checked === null) return NOTHING_FOUND;
  const fellBack = runs.some(({ outcome }) => outcome === "fallback");
  const { findings } = fellBack ? group.base : deciderOf({ group, arm });
  return findings?.(context) ?? NOTHING_FOUND;
}

/** Who decides about the calls of an arm. */
export function deciderOf({ group, arm }: Pick<Decision, "group" | "arm">): Decider {
  if (group.rollout === null || arm === "rollout") return group;
  return group.rollout.base ?? group.base;
}
