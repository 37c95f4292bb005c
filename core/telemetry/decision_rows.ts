import type { Call, Settlement } from "../call.ts";
import { type Decision, findingsOf } from "../decision.ts";
import { planJson, withDigest } from "../plan_json.ts";
import type { DecisionRecord, Row } from "../record.ts";
import type { Findings, PolicyRun } from "../strategy.ts";
import { micro } from "./candidate_rows.ts";
import { factsJson } from "./decision_facts.ts";
import { cacheRows, runRows, transitionRows } from "./pass_rows.ts";
import { isSampled } from "./sample.ts";

/** The decision of a call that is to be recorded; `null`: there is none, or it was never made. */
export function recordedDecision({ decision, snapshot }: Call): Decision | null {
  if (decision?.outcome === "left" || !snapshot.server.decisionTelemetry.enabled) return null;
  return decision;
}

/** Whether the decision of a call is of the sample that is recorded in full: known before it is made. */
export function isInSample({ id, snapshot }: Call): boolean {
  const { enabled, samplePercent } = snapshot.server.decisionTelemetry;
  return enabled && isSampled(id, samplePercent);
}

/** Which decisions are recorded in full: a sample, and what is always worth a closer look. */
export function isDetailed(call: Call, decision: Decision, { status }: Settlement): boolean {
  return isInSample(call) || isNotable(call, decision, status);
}

/**
 * The row of `request_routing_decisions` of a call whose decision is not recorded in full: it rides in
 * the call's own line, which says the rest of its columns.
 */
export function ownDecisionRows(call: Call, settlement: Settlement): readonly Row[] {
  const decision = recordedDecision(call);
  if (!decision || isDetailed(call, decision, settlement)) return [];
  return [decisionRow(decision, { findings: findingsOf(decision), recorded: false })];
}

/** Everything that is recorded of a decision that is recorded in full. */
export function decisionRecord(call: Call, decision: Decision): DecisionRecord {
  const { cacheReasons } = call.snapshot.server.decisionTelemetry;
  const plan = isReplayable(call, decision) ? planOf(decision) : null;
  const findings = findingsOf(decision);
  const { group } = decision;
  const row = {
    ts: call.ts,
    group_name: group.name,
    strategy: group.strategy,
    config_fingerprint: call.snapshot.fingerprint,
    ...decisionRow(decision, { findings, recorded: plan !== null }),
  };
  const policyDigest = policyOf(decision)?.digest ?? undefined;
  return {
    requestId: call.id,
    ts: call.ts,
    rows: {
      request_routing_decisions: [row],
      request_cache_reasons: cacheReasons ? cacheRows(call) : [],
      request_policy_executions: runRows(decision),
      request_fallback_transitions: transitionRows(call),
    },
    facts: factsJson(call, decision, { findings, plan, policyDigest }),
  };
}

/** Whether a decision that is recorded in full can be made again. */
export function isReplayable({ snapshot }: Call, { plan, checked }: Decision): boolean {
  return snapshot.server.decisionTelemetry.contexts && plan !== null && checked !== null;
}

function isNotable({ attempts }: Call, { runs, eligible }: Decision, status: number): boolean {
  return status >= 500 || attempts.length > 1 || eligible.length === 0 ||
    runs.some(({ fault }) => fault !== null);
}

/** The plan as it is recorded: what a policy that saw content says in its own words may be content. */
function planOf({ plan, checked, group }: Decision): string | null {
  if (!plan || !checked) return null;
  return planJson(group.includeRequest ? withDigest(plan) : plan, checked);
}

/** What the row of the call does not say. */
function decisionRow(
  decision: Decision,
  { findings, recorded }: { readonly findings: Findings; readonly recorded: boolean },
): Row {
  const { context, eligible, checked, passes } = decision;
  const policy = policyOf(decision);
  const first = passes.at(-1)?.order[0];
  const target = first === undefined ? undefined : eligible[first];
  return {
    arm: decision.arm,
    outcome: decision.outcome,
    policy_kind: policy?.kind,
    policy_digest: policy?.digest ?? undefined,
    seed: context.seed,
    eligible_count: eligible.length,
    rejected_count: context.rejected.length,
    selected_candidate_index: first,
    group_target_index: target?.groupIndex,
    provider: target?.provider.name,
    model: target?.model,
    dialect: target?.dialect,
    fallback_count: checked ? checked.order.length - 1 : 0,
    class_label: checked?.classLabel ?? undefined,
    pin_state: decision.pinState,
    explored: flag(findings.explored),
    cold_start: flag(findings.coldStart),
    over_threshold: flag(findings.overThreshold),
    panic: flag(decision.panic),
    deferred_count: decision.deferredCount,
    budget_rule: decision.budgetRule?.name,
    pressure_micro: micro(context.budget.pressure),
    decide_us: Math.round(decision.decideMs * 1_000),
    recorded: flag(recorded),
  };
}

/** The policy that decided, or that failed to; none where the base strategy decided. */
export function policyOf({ runs, checked }: Decision): PolicyRun | undefined {
  const own = runs.filter(({ role }) => role !== "shadow");
  return checked ? own.find(({ outcome }) => outcome === "success") : own.at(-1);
}

/** A flag that is not set is the default of its column. */
const flag = (value: boolean) => value ? 1 : undefined;
