import type { Decision } from "../decision.ts";
import { expectedCostNusd } from "../expected_cost.ts";
import type { Row } from "../record.ts";
import type { Target } from "../snapshot.ts";
import type { Findings, TargetView } from "../strategy.ts";

/** A target that is not eligible has no place among the candidates. */
const NO_PLACE = -1;

/** Rows of `request_target_candidates`: the eligible targets, then the others. */
export function candidateRows(decision: Decision, max: number): readonly Row[] {
  const { context, group } = decision;
  const rejected = new Set(context.rejected.map(({ id }) => id));
  return [
    ...context.targets.map((target) => candidateRow(decision, target)),
    ...group.targets.filter(({ id }) => rejected.has(id)).map(rejectedRow),
  ].slice(0, max);
}

function candidateRow(decision: Decision, target: TargetView): Row {
  const { context, eligible } = decision;
  const { signals, validation, contextTokens } = target;
  const { estimatedInputTokens, reservedOutputTokens } = context.features;
  const rank = rankOf(decision, target.index);
  return {
    ...targetColumns(eligible[target.index]!),
    candidate_index: target.index,
    context_headroom_tokens: contextTokens === null
      ? undefined
      : contextTokens - estimatedInputTokens - reservedOutputTokens,
    validation_status: validation?.status,
    validation_age_days: validation?.ageDays ?? undefined,
    inflight: signals.inflight,
    observations: signals.observations,
    p95_latency_ms: whole(signals.p95LatencyMs),
    error_rate_micro: micro(signals.errorRate),
    breaker: signals.breaker,
    expected_cost_nusd: whole(expectedCostNusd(context, target)),
    eligible: 1,
    selected: rank === 1 ? 1 : 0,
    final_rank: rank ?? undefined,
  };
}

function rejectedRow(target: Target): Row {
  return {
    ...targetColumns(target),
    candidate_index: NO_PLACE,
    validation_status: target.validation?.status,
  };
}

function targetColumns(target: Target): Row {
  return {
    group_target_index: target.groupIndex,
    target_id: target.id,
    provider: target.provider.name,
    model: target.model,
    model_ref: target.modelRef ?? undefined,
    dialect: target.dialect,
    weight: target.weight,
    tool_only: target.toolOnly ? 1 : 0,
    context_tokens: target.contextTokens ?? undefined,
    limit_unknown: target.contextTokens === null ? 1 : 0,
  };
}

/** From 1, in the order in which targets are tried; `null`: it is not tried. */
function rankOf({ passes }: Decision, index: number): number | null {
  const place = passes.at(-1)?.order.indexOf(index) ?? NO_PLACE;
  return place < 0 ? null : place + 1;
}

/** Rows of `request_target_filter_reasons`: every reason against every target. */
export function filterReasonRows({ context, group }: Decision, max: number): readonly Row[] {
  const places = new Map(group.targets.map(({ id, groupIndex }) => [id, groupIndex]));
  return context.rejected
    .flatMap(({ id, reasons }) => reasons.map((reason) => ({ id, reason })))
    .slice(0, max)
    .map(({ id, reason }, seq) => ({
      seq,
      group_target_index: places.get(id) ?? 0,
      target_id: id,
      stage: stageOf(reason),
      reason,
    }));
}

function stageOf(reason: string): string {
  if (reason.startsWith("contract-")) return "contract";
  return reason.startsWith("budget-") ? "budget" : "eligibility";
}

/** Rows of `request_dynamic_score_terms`: each summand of the score of each target. */
export function scoreRows(decision: Decision, { scores }: Findings, max: number): readonly Row[] {
  if (scores === null) return [];
  const { summands, raw, final } = scores;
  const targets = decision.context.targets.slice(0, max);
  const rows = summands.flatMap(({ term, score, coefficient, values }) =>
    targets.map(({ index, signals }) => {
      const value = values[index] ?? 0;
      const rank = rankOf(decision, index);
      return {
        candidate_index: index,
        rank: rank ?? 0,
        term_name: term,
        score_name: score,
        coefficient_micro: micro(coefficient),
        value_micro: micro(value),
        contribution_micro: micro(coefficient * value),
        raw_micro: micro(raw[index] ?? 0),
        final_micro: micro(final[index] ?? 0),
        n: signals.observations,
        selected: rank === 1 ? 1 : 0,
      };
    })
  );
  return rows.map((row, seq) => ({ seq, ...row }));
}

function whole(value: number | null): number | undefined {
  return value === null ? undefined : Math.round(value);
}

/** Millionths. */
export function micro(value: number | null): number | undefined {
  return value === null ? undefined : Math.round(value * 1_000_000);
}
