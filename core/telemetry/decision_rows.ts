import { hash } from "node:crypto";
import type { Call, Settlement } from "../call.ts";
import { type Decision, findingsOf } from "../decision.ts";
import { planJson, withDigest } from "../plan_json.ts";
import type { DecisionRecord, Row } from "../record.ts";
import { shownContent } from "../route_context.ts";
import type { TelemetrySettings } from "../snapshot.ts";
import type { Findings, PolicyRun, RouteContext } from "../strategy.ts";
import { candidateRows, filterReasonRows, micro, scoreRows } from "./candidate_rows.ts";
import { packContext } from "./context_record.ts";
import { ENGINE } from "./engine.ts";
import { cacheRows, featureRows, passRows, runRows, transitionRows } from "./pass_rows.ts";
import { isSampled } from "./sample.ts";

/** The format of `RouteContext`. */
const CONTRACT = 1;

/** The decision of a call that is to be recorded; `null`: there is none, or it was never made. */
export function recordedDecision({ decision, snapshot }: Call): Decision | null {
  if (decision?.outcome === "left" || !snapshot.server.decisionTelemetry.enabled) return null;
  return decision;
}

/** Which decisions are recorded in full: a sample, and what is always worth a closer look. */
export function isDetailed(call: Call, decision: Decision, { status }: Settlement): boolean {
  const { samplePercent } = call.snapshot.server.decisionTelemetry;
  return isSampled(call.id, samplePercent) || isNotable(call, decision, status);
}

/**
 * The row of `request_routing_decisions` of a call whose decision is not recorded in full: it rides in
 * the call's own line, which says the rest of its columns.
 */
export function ownDecisionRows(call: Call, settlement: Settlement): readonly Row[] {
  const decision = recordedDecision(call);
  if (!decision || isDetailed(call, decision, settlement)) return [];
  return [decisionRow(decision, { findings: findingsOf(decision), plan: null })];
}

/** Everything that is recorded of a decision that is recorded in full. */
export function decisionRecord(call: Call, decision: Decision): DecisionRecord {
  const settings = call.snapshot.server.decisionTelemetry;
  const plan = settings.contexts ? planOf(decision) : null;
  const findings = findingsOf(decision);
  const { group } = decision;
  const row = {
    ts: call.ts,
    group_name: group.name,
    strategy: group.strategy,
    config_fingerprint: call.snapshot.fingerprint,
    ...decisionRow(decision, { findings, plan }),
  };
  return {
    requestId: call.id,
    ts: call.ts,
    rows: {
      request_routing_decisions: [row],
      ...detailRows(call, decision, { findings, settings }),
      ...(plan === null ? {} : { request_decision_records: [recordRow(call, decision, plan)] }),
    },
  };
}

function isNotable({ attempts }: Call, { runs, eligible }: Decision, status: number): boolean {
  return status >= 500 || attempts.length > 1 || eligible.length === 0 ||
    runs.some(({ fault }) => fault !== null);
}

/** The plan as it is recorded: what a policy that saw content says in its own words may be content. */
function planOf({ plan, checked, context }: Decision): string | null {
  if (!plan || !checked) return null;
  const sawContent = shownContent(context).text !== undefined;
  return planJson(sawContent ? withDigest(plan) : plan, checked);
}

/** What the row of the call does not say. */
function decisionRow(
  decision: Decision,
  { findings, plan }: { readonly findings: Findings; readonly plan: string | null },
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
    plan_sha256: plan === null ? undefined : hash("sha256", plan, "hex"),
    decide_us: Math.round(decision.decideMs * 1_000),
    recorded: flag(plan !== null),
  };
}

/** The policy that decided, or that failed to; none where the base strategy decided. */
function policyOf({ runs, checked }: Decision): PolicyRun | undefined {
  const own = runs.filter(({ role }) => role !== "shadow");
  return checked ? own.find(({ outcome }) => outcome === "success") : own.at(-1);
}

function detailRows(
  call: Call,
  decision: Decision,
  { findings, settings }: { readonly findings: Findings; readonly settings: TelemetrySettings },
): DecisionRecord["rows"] {
  const { candidates, maxCandidates, maxFilterReasons, cacheReasons } = settings;
  return {
    request_target_candidates: candidates ? candidateRows(decision, maxCandidates) : [],
    request_dynamic_score_terms: candidates ? scoreRows(decision, findings, maxCandidates) : [],
    request_target_filter_reasons: filterReasonRows(decision, maxFilterReasons),
    request_routing_signals: passRows(decision),
    request_decision_shape_features: featureRows(decision.context),
    request_cache_reasons: cacheReasons ? cacheRows(call) : [],
    request_policy_executions: runRows(decision),
    request_fallback_transitions: transitionRows(call),
  };
}

/** What the decision can be made again from. */
function recordRow(call: Call, decision: Decision, plan_json: string): Row {
  const { context } = decision;
  const { z, bytes, sha256 } = packContext(context);
  return {
    ts: call.ts,
    group_name: context.group,
    contract_version: CONTRACT,
    config_fingerprint: call.snapshot.fingerprint,
    policy_digest: policyOf(decision)?.digest ?? undefined,
    engine: ENGINE,
    seed: context.seed,
    context_z: z,
    context_bytes: bytes,
    context_sha256: sha256,
    content_sha256: contentDigest(shownContent(context)),
    plan_json,
  };
}

/** What tells content apart that a policy saw and nobody stores. */
function contentDigest(
  { text, request }: Pick<RouteContext, "text" | "request">,
): string | undefined {
  if (text === undefined) return undefined;
  return hash("sha256", JSON.stringify([text, request ?? null]), "hex");
}

/** A flag that is not set is the default of its column. */
const flag = (value: boolean) => value ? 1 : undefined;
