import { hash } from "node:crypto";
import type { Call } from "../call.ts";
import type { Decision, PassedOrder, PinState } from "../decision.ts";
import { memoOfObject } from "../memo.ts";
import type { Row } from "../record.ts";
import { requestContent } from "../request_content.ts";
import type { Target, TelemetrySettings } from "../snapshot.ts";
import type { Findings, TargetScores, TargetView } from "../strategy.ts";
import { staticsOf } from "../target_view.ts";
import { ENGINE } from "./engine.ts";
import { recordedContext, type SeenContext } from "./recorded_context.ts";

/** The format of `RouteContext`. */
const CONTRACT = 1;

/** What rows tell of a target and its context does not. */
export interface TargetFacts extends
  Pick<
    TargetView,
    | "groupIndex"
    | "id"
    | "provider"
    | "model"
    | "modelRef"
    | "dialect"
    | "weight"
    | "toolOnly"
    | "contextTokens"
    | "prices"
  > {
  readonly validationStatus: string | null;
}

/**
 * What a decision went by. It rides in the line of the event journal, and the rows of its tables are made
 * from it by whoever reads the line: that is no work for the thread that serves.
 */
export interface DecisionFacts {
  /** In the line a `RecordedContext`. */
  readonly context: SeenContext;
  /** By index of the context's targets. */
  readonly eligible: readonly TargetFacts[];
  /** In the order of the group. */
  readonly rejected: readonly TargetFacts[];
  readonly passes: readonly PassedOrder[];
  readonly pinState: PinState;
  readonly budgetRule: string | null;
  readonly deferredCount: number;
  readonly panic: boolean;
  readonly scores: TargetScores | null;
  /** Columns of `request_decision_records` that nothing else tells; `null`: there is no such row. */
  readonly record: (Row & { readonly plan_json: string }) | null;
  /** Rows per table. */
  readonly maxCandidates: number;
  readonly maxFilterReasons: number;
}

/** The facts of a decision as JSON; without a plan it is not recorded to be made again. */
export function factsJson(
  call: Call,
  decision: Decision,
  { findings, plan, policyDigest }: {
    readonly findings: Findings;
    readonly plan: string | null;
    readonly policyDigest: string | undefined;
  },
): string {
  const { decisionTelemetry } = call.snapshot.server;
  const { context, group, eligible } = decision;
  const rejected = new Set(context.rejected.map(({ id }) => id));
  const recorded = JSON.stringify(recordedContext(context));
  const others: Omit<DecisionFacts, "eligible" | "rejected" | "context"> = {
    passes: decision.passes,
    pinState: decision.pinState,
    budgetRule: decision.budgetRule?.name ?? null,
    deferredCount: decision.deferredCount,
    panic: decision.panic,
    scores: decisionTelemetry.candidates ? findings.scores : null,
    record: plan === null ? null : {
      ...recordColumns(call, group),
      policy_digest: policyDigest,
      plan_json: plan,
    },
    ...limitsOf(decisionTelemetry),
  };
  const listed = (targets: readonly Target[]) => `[${targets.map(targetJson).join()}]`;
  // In pieces: as one, the engine takes twice as long (seen on V8 15).
  return `{"eligible":${listed(eligible)},"rejected":${
    listed(group.targets.filter(({ id }) => rejected.has(id)))
  },"context":${recorded},${JSON.stringify(others).slice(1)}`;
}

function recordColumns(call: Call, { includeRequest }: Decision["group"]): Row {
  return {
    contract_version: CONTRACT,
    config_fingerprint: call.snapshot.fingerprint,
    engine: ENGINE,
    content_sha256: includeRequest ? contentDigest(call) : undefined,
  };
}

function limitsOf({ candidates, maxCandidates, maxFilterReasons }: TelemetrySettings) {
  return { maxCandidates: candidates ? maxCandidates : 0, maxFilterReasons };
}

/** Made once each: targets live as long as their snapshot. */
const targetJson = memoOfObject((target: Target) => JSON.stringify(targetFacts(target)));

function targetFacts(target: Target): TargetFacts {
  const statics = staticsOf(target);
  return {
    groupIndex: statics.groupIndex,
    id: statics.id,
    provider: statics.provider,
    model: statics.model,
    modelRef: statics.modelRef,
    dialect: statics.dialect,
    weight: statics.weight,
    toolOnly: statics.toolOnly,
    contextTokens: statics.contextTokens,
    prices: statics.prices,
    validationStatus: target.validation?.status ?? null,
  };
}

/** What tells content apart that a policy saw and nobody stores. */
function contentDigest(call: Call): string {
  const { text, request } = requestContent(call);
  return hash("sha256", JSON.stringify([text, request ?? null]), "hex");
}
