import type { GatewayError } from "./errors.ts";
import type { CheckedPlan } from "./plan.ts";
import type { PolicyFault } from "./policy_fault.ts";
import type { Group, Target } from "./snapshot.ts";
import type { Findings, Plan, RouteContext } from "./strategy.ts";

/** What came of a decision. */
export type DecisionOutcome =
  | "planned"
  | "no-eligible-target"
  | "context-length-exceeded"
  | "policy-error";

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

/** How a policy was asked for a call. */
export type PolicyRole = "serve" | "rollout" | "shadow";

/** One time a policy was asked. Names and numbers only: nothing of what it answered. */
export interface PolicyExecution {
  readonly role: PolicyRole;
  /** Name of the strategy that asked it. */
  readonly kind: string;
  /** SHA-256 of its bundle in hex; `null` where there is none. */
  readonly digest: string | null;
  /** `fallback`: the base strategy decided instead. */
  readonly outcome: "success" | "fallback" | "error";
  readonly fault: PolicyFault | null;
  readonly durationMs: number;
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
  readonly executions: PolicyExecution[];
  pinState: PinState;
  /** Name of the budget rule that held, `at:<pressure>`; `null`: none. */
  readonly budgetRule: string | null;
  /** Targets that stand behind the others because they fail now. */
  deferredCount: number;
  /** All of them fail now: the order stands. */
  panic: boolean;
  decideMs: number;
}

const NOTHING_FOUND: Findings = { explored: false, coldStart: false, overThreshold: false };

/** What the strategy that decided says of its plan, read again from the same context. */
export function findingsOf({ group, context, executions, checked }: Decision): Findings {
  if (checked === null) return NOTHING_FOUND;
  const fellBack = executions.some(({ outcome }) => outcome === "fallback");
  const { findings } = fellBack ? group.base : group;
  return findings?.(context) ?? NOTHING_FOUND;
}
