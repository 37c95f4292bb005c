import type { Call, Parts } from "./call.ts";
import { type Decision, findingsOf } from "./decision.ts";
import { expectedCostNusd } from "./expected_cost.ts";
import type { JsonObject } from "./json.ts";
import type { TargetScores, TargetView } from "./strategy.ts";

/** The targets of a decision as `explain` tells of them. */
export interface ShownTargets {
  readonly eligible: JsonObject[];
  readonly rejected: JsonObject[];
  /** What the caller may call a target, by its index. */
  idOf(index: number): string;
}

/** Targets as the caller may see them: by name, or by their place where names are hidden. */
export function shownTargets(parts: Parts, call: Call, decision: Decision): ShownTargets {
  const { group, context, checked } = decision;
  const open = call.snapshot.server.exposeRouteHeaders;
  const place = (id: string) =>
    `target-${group.targets.find((target) => target.id === id)?.groupIndex}`;
  const named = ({ id, provider, model }: { id: string; provider: string; model: string }) =>
    open ? { id, provider, model } : { id: place(id) };
  const rank = (index: number) =>
    checked?.order.includes(index) ? checked.order.indexOf(index) + 1 : null;
  const { scores } = findingsOf(decision);
  return {
    idOf: (index) => {
      const target = context.targets[index];
      return target ? named(target).id : "";
    },
    eligible: context.targets.map((target): JsonObject => ({
      index: target.index,
      ...named(target),
      rank: rank(target.index),
      ...(scores ? scored(scores, target.index) : {}),
      expectedCostNusd: expectedCostNusd(context, target),
      flags: flagsOf(parts, decision, { target, scores }),
      signals: { ...target.signals },
    })),
    rejected: context.rejected.map((target): JsonObject => ({
      ...named(target),
      reasons: [...target.reasons],
    })),
  };
}

/** What a target's place was decided by; `terms` add up to `raw`, unless that is negative. */
function scored({ summands, raw, final }: TargetScores, index: number): JsonObject {
  const terms = summands.map(({ term, score, coefficient, values }) => ({
    term,
    score,
    coefficient,
    value: values[index] ?? 0,
  }));
  return {
    raw: raw[index] ?? 0,
    final: final[index] ?? 0,
    scores: Object.fromEntries(terms.map(({ score }) => [
      score,
      // A term that does not count for a target says 0 of it, whatever its score is.
      Math.max(...terms.flatMap((term) => term.score === score ? term.value : [])),
    ])),
    terms,
  };
}

/** What is special about a target: fixed words. */
function flagsOf(
  { health }: Parts,
  { group, context, eligible }: Decision,
  { target, scores }: { readonly target: TargetView; readonly scores: TargetScores | null },
): string[] {
  const { index } = target;
  const flags: readonly (readonly [string, boolean])[] = [
    ["cold", scores?.cold[index] ?? false],
    ["deferred", health.isFailing(group, eligible[index]!)],
    ["limit_unknown", target.contextTokens === null],
    ["over_threshold", scores?.over[index] ?? false],
    ["pinned", context.pinnedIndex === index],
  ];
  return flags.flatMap(([flag, holds]) => holds ? [flag] : []);
}
