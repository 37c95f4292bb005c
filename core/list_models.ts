import type { DialectName } from "./dialect_name.ts";
import { takesCallersOf } from "./eligibility.ts";
import type { CatalogModel, ListedModel, ListedName, ListedReasoning } from "./listed_model.ts";
import type { Group, Target } from "./snapshot.ts";

/** A group by its name, as the targets make it. */
export function listModel(
  { id, created, displayName, notes }: ListedName,
  targets: readonly Target[],
): ListedModel {
  const contexts = targets.flatMap(({ contextTokens }) => contextTokens ?? []);
  const caps = targets.flatMap(({ shape }) => shape.maxRequestedOutputTokens ?? []);
  return {
    id,
    created,
    displayName,
    notes,
    contextTokens: contexts.length > 0 ? Math.min(...contexts) : null,
    maxOutputTokens: caps.length > 0 ? Math.max(...caps) : null,
    reasoning: listedReasoning(targets),
  };
}

function listedReasoning(targets: readonly Target[]): ListedReasoning | null {
  const able = targets.filter(({ reasoning }) => reasoning.supported);
  if (able.length === 0) return null;
  const known = ["minimal", "low", "medium", "high", "xhigh"];
  const efforts = known.filter((effort) =>
    able.some(({ reasoning }) => reasoning.efforts.includes(effort))
  );
  return {
    efforts,
    defaultEffort: efforts.includes("medium") ? "medium" : efforts[0] ?? "medium",
    summaries: able.some(({ reasoning }) => reasoning.supportsSummaries),
  };
}

/**
 * A group as the agents of a dialect may use it, from the targets that serve them alone; `null` when
 * no target takes a plain text call of theirs.
 */
export function catalogModel(group: Group, dialect: DialectName): CatalogModel | null {
  const serving = group.targets.filter((target) => serves(target, dialect));
  if (serving.length === 0) return null;
  const some = (support: string) =>
    serving.some(({ toolSupport }) => toolSupport[dialect].includes(support));
  return {
    ...listModel(group.listed, serving),
    images: serving.some(({ inputModalities }) => inputModalities.includes("image")),
    tools: some("tools"),
    parallelToolCalls: some("parallel_tool_calls"),
  };
}

function serves(target: Target, dialect: DialectName): boolean {
  const { inputModalities, outputModalities } = target;
  return !target.toolOnly && inputModalities.includes("text") &&
    outputModalities.includes("text") && takesCallersOf(target, dialect);
}
