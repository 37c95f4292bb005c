import { expectedCostNusd, whole } from "../expected_cost.ts";
import type { Row } from "../record.ts";
import type { TargetScores } from "../strategy.ts";
import type { DecisionFacts, TargetFacts } from "./decision_facts.ts";

/** A target that is not eligible has no place among the candidates. */
const NO_PLACE = -1;

/** Rows of `request_target_candidates`: the eligible targets, then the others. */
export function candidateRows(facts: DecisionFacts, max: number): readonly Row[] {
  const ranks = ranksOf(facts);
  const eligible = facts.eligible.slice(0, max)
    .map((target, index) => candidateRow(facts, target, { index, rank: ranks.get(index) }));
  return [...eligible, ...facts.rejected.slice(0, max - eligible.length).map(rejectedRow)];
}

function candidateRow(
  { context }: DecisionFacts,
  target: TargetFacts,
  { index, rank }: { readonly index: number; readonly rank: number | undefined },
): Row {
  const { signals, validation } = context.targets[index]!;
  const { estimatedInputTokens, reservedOutputTokens } = context.features;
  const { prices, contextTokens } = target;
  return {
    ...targetColumns(target),
    candidate_index: index,
    context_headroom_tokens: contextTokens === null
      ? null
      : contextTokens - estimatedInputTokens - reservedOutputTokens,
    validation_status: validation?.status ?? null,
    validation_age_days: validation?.ageDays ?? null,
    inflight: signals.inflight,
    observations: signals.observations,
    p95_latency_ms: whole(signals.p95LatencyMs),
    error_rate_micro: signals.errorRate === null ? null : micro(signals.errorRate),
    breaker: signals.breaker,
    expected_cost_nusd: whole(expectedCostNusd(context, { prices, signals })),
    eligible: 1,
    selected: rank === 1 ? 1 : 0,
    final_rank: rank ?? null,
  };
}

function rejectedRow(target: TargetFacts): Row {
  return {
    ...targetColumns(target),
    candidate_index: NO_PLACE,
    validation_status: target.validationStatus,
  };
}

function targetColumns(target: TargetFacts): Row {
  return {
    group_target_index: target.groupIndex,
    target_id: target.id,
    provider: target.provider,
    model: target.model,
    model_ref: target.modelRef,
    dialect: target.dialect,
    weight: target.weight,
    tool_only: target.toolOnly ? 1 : 0,
    context_tokens: target.contextTokens,
    limit_unknown: target.contextTokens === null ? 1 : 0,
  };
}

/** Places from 1 by index, in the order in which targets are tried; one that is missing is not tried. */
function ranksOf({ passes }: DecisionFacts): ReadonlyMap<number, number> {
  return new Map(passes.at(-1)?.order.map((index, place) => [index, place + 1]));
}

/** Rows of `request_target_filter_reasons`: every reason against every target. */
export function filterReasonRows(
  { context, rejected }: DecisionFacts,
  max: number,
): readonly Row[] {
  const places = new Map(rejected.map(({ id, groupIndex }) => [id, groupIndex]));
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
export function scoreRows(
  facts: DecisionFacts,
  { summands, raw, final }: TargetScores,
  max: number,
): readonly Row[] {
  const ranks = ranksOf(facts);
  const targets = facts.context.targets.slice(0, max);
  const rows = summands.flatMap(({ term, score, coefficient, values }) =>
    targets.map(({ signals }, index) => {
      const value = values[index] ?? 0;
      const rank = ranks.get(index) ?? 0;
      return {
        candidate_index: index,
        rank,
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

/** Millionths. */
export function micro(value: number): number {
  return Math.round(value * 1_000_000);
}
