import { findPin } from "./pins.ts";
import { type Call, cutError, cutSignal, type Parts } from "./call.ts";
import { type Arm, deciderOf, type Decision, type DecisionOutcome } from "./decision.ts";
import { asGatewayError, type GatewayError } from "./errors.ts";
import { filterTargets } from "./filter_targets.ts";
import { noTarget } from "./no_target.ts";
import { applyPasses } from "./passes.ts";
import { checkPlan } from "./plan.ts";
import { armOf } from "./rollout.ts";
import { contextOf, givenContext } from "./route_context.ts";
import type { Target } from "./snapshot.ts";
import type { Asking } from "./strategy.ts";
import { isInSample } from "./telemetry/decision_rows.ts";

/**
 * Step 4: eligible targets, the group's strategy, one check of its plan, and the passes over its
 * order: targets in the order to try.
 *
 * @throws {GatewayError} `no-eligible-target`, `context-length-exceeded`, `routing-policy-error`, or
 *   that the call was cut while a policy was asked
 */
export async function route(parts: Parts, call: Call): Promise<readonly Target[]> {
  const decision = beginDecision(parts, call);
  call.decision = decision;
  // Records tell how the limits stood now, whether the decision looks at them or not.
  void decision.context.budget;
  // And of which conversation it is: once a provider is asked, the body would be parsed again for that.
  if (isInSample(call)) void decision.context.conversationKey;
  await decide(parts, decision, askingOf(call, decision));
  assertAnswered(call, decision);
  if (decision.group.shadow) parts.shadows.offer(decision, () => givenContext(decision.context));
  for (const { kind, cost } of call.policyRuns) {
    if (kind === "external") call.waitedMs += cost.durationUs / 1000;
  }
  if (decision.error) throw decision.error;
  call.classLabel = decision.checked?.classLabel ?? null;
  call.decideMs = decision.decideMs;
  return decision.targets;
}

/** A decision about a call, with everything that it may depend on; a `trial` leaves no trace. */
export function beginDecision(parts: Parts, call: Call, trial = false): Decision {
  const filtered = filterTargets(parts, call);
  const { group, eligible } = filtered;
  const pin = findPin(parts, call, { group, eligible, trial });
  const error = filtered.eligible.length === 0 ? noTarget(call, filtered) : null;
  return {
    group,
    context: contextOf(parts, call, filtered, pin.index),
    eligible,
    arm: armOf(parts, call, group),
    outcome: outcomeOf(error),
    error,
    plan: null,
    checked: null,
    passes: [],
    targets: [],
    runs: call.policyRuns,
    pinState: pin.state,
    budgetRule: filtered.budgetRule,
    deferredCount: 0,
    panic: false,
    decideMs: 0,
  };
}

/** Decides, unless nothing is eligible; what goes wrong is the decision's error. */
export async function decide(parts: Parts, decision: Decision, asking: Asking): Promise<void> {
  if (decision.error) return;
  const { context } = decision;
  const started = parts.clock();
  try {
    const decided = deciderOf(decision).decide(context, asking);
    const plan = decided instanceof Promise ? await decided : decided;
    decision.checked = checkPlan(plan, context);
    decision.plan = plan;
    decision.decideMs = parts.clock() - started;
    applyPasses(parts, decision, decision.checked.order);
  } catch (error) {
    decision.error = asGatewayError(error);
    decision.outcome = "policy-error";
    decision.decideMs = parts.clock() - started;
  }
}

/** Whether anything is served by a decision, and who may be asked for it. */
type Terms = Pick<Asking, "trial" | "remote">;

const SERVED: Terms = { trial: false, remote: true };

/** A decision that a call waits for. */
export function askingOf(call: Call, { arm }: Decision, terms = SERVED): Asking {
  return new CallAsking(call, arm, terms);
}

class CallAsking implements Asking {
  readonly trial: boolean;
  readonly remote: boolean;
  readonly role: Asking["role"];
  readonly runs: Asking["runs"];
  readonly #call: Call;

  constructor(call: Call, arm: Arm, { trial, remote }: Terms) {
    this.role = arm === "rollout" ? "rollout" : "serve";
    this.trial = trial;
    this.remote = remote;
    this.runs = call.policyRuns;
    this.#call = call;
  }

  /** Few decisions wait for anything. */
  get signal(): AbortSignal {
    return cutSignal(this.#call);
  }
}

/** @throws {GatewayError} when a call was cut before a policy had answered, if only with a fault */
export function assertAnswered({ cut }: Call, decision: Decision): void {
  if (cut === null || decision.outcome !== "policy-error" || decision.runs.length > 0) return;
  decision.outcome = "left";
  throw cutError(cut);
}

function outcomeOf(error: GatewayError | null): DecisionOutcome {
  switch (error?.type) {
    case undefined:
      return "planned";
    case "context-length-exceeded":
      return "context-length-exceeded";
    default:
      return "no-eligible-target";
  }
}
