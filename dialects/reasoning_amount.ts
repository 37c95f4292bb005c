import type { Effort, Reasoning } from "@/core/chat.ts";
import type { ReasoningSupport } from "@/core/snapshot.ts";
import type { FieldEvent } from "@/core/wire.ts";

/** The least thinking a provider takes, tokens. */
const LEAST_BUDGET = 1_024;

/** Tokens of `max` where the target states no limit. */
const MAX_BUDGET = 65_536;

/** Efforts from the lowest to the highest, with the thinking they stand for, tokens. */
const BUDGETS = {
  none: 0,
  minimal: 1_024,
  low: 2_048,
  medium: 8_192,
  high: 24_576,
  xhigh: 49_152,
  max: MAX_BUDGET,
} as const satisfies Record<Effort, number>;

const EFFORTS = Object.keys(BUDGETS).filter(isEffort);

/** Whether a value of the wire is an effort of the scale. */
export function isEffort(value: unknown): value is Effort {
  return typeof value === "string" && Object.hasOwn(BUDGETS, value);
}

/** An effort as features name it: a word that is none of the scale is a caller's own, and is in no record. */
export function namedEffort(word: string | null): Effort | "other" | null {
  return word === null || isEffort(word) ? word : "other";
}

/** The thinking an effort stands for, tokens. */
export function budgetOf(effort: Effort, { maxBudgetTokens }: ReasoningSupport): number {
  return effort === "max" ? maxBudgetTokens ?? MAX_BUDGET : BUDGETS[effort];
}

/** The nearest effort not above a budget, from `minimal` to `xhigh`; `medium` where none is named. */
export function effortOf(budgetTokens: number | undefined): Effort {
  if (budgetTokens === undefined) return "medium";
  const below = EFFORTS.filter((effort) => effort !== "max" && BUDGETS[effort] <= budgetTokens);
  const effort = below.at(-1) ?? "none";
  return effort === "none" ? "minimal" : effort;
}

/** The effort itself if the target lists it, else the next lower listed one, else the lowest. */
export function listedEffort(effort: Effort, { efforts }: ReasoningSupport): Effort {
  const listed = EFFORTS.filter((known) => efforts.includes(known));
  const reach = EFFORTS.indexOf(effort);
  return listed.findLast((known) => EFFORTS.indexOf(known) <= reach) ?? listed[0] ?? effort;
}

/**
 * Brings a budget into the target's range and then below the output cap, both in tokens.
 *
 * @param outputCap `null` when the cap is made to fit the budget
 * @returns `null` when too little is left to think at all
 */
export function clampBudget(
  budgetTokens: number,
  outputCap: number | null,
  support: ReasoningSupport,
): number | null {
  const { minBudgetTokens, maxBudgetTokens, budgetMustBeLessThanMaxTokens } = support;
  const least = Math.max(minBudgetTokens, LEAST_BUDGET);
  const inRange = Math.min(Math.max(Math.ceil(budgetTokens), least), maxBudgetTokens ?? Infinity);
  const below = budgetMustBeLessThanMaxTokens && outputCap !== null ? outputCap - 1 : Infinity;
  const tokens = Math.min(inRange, below);
  return tokens < LEAST_BUDGET ? null : tokens;
}

/** Whether a request forbids reasoning. */
export function isReasoningOff(reasoning: Reasoning): boolean {
  return reasoning.mode === "off" || (reasoning.mode === "effort" && reasoning.effort === "none");
}

const CLAMPED: FieldEvent = { field: "reasoning", action: "clamped", reason: "target-limit" };

/** A Messages request may state both; one effort is all that goes on. */
const BUDGET_WINS: FieldEvent = {
  field: "output_config.effort",
  action: "stripped",
  reason: "no-counterpart",
};

/** What a request asks of reasoning, as an effort that the target takes. */
export interface AskedEffort {
  /** `null`: no field at all. */
  readonly effort: Effort | null;
  readonly events: readonly FieldEvent[];
}

/**
 * What a request asks of reasoning, for wires that know efforts only. Off is `none` where the target
 * reasons by default, else no field; a mere permission to think is no field.
 */
export function askedEffort(
  reasoning: Reasoning | undefined,
  support: ReasoningSupport,
): AskedEffort {
  if (!reasoning) return { effort: null, events: [] };
  if (isReasoningOff(reasoning)) {
    const said = support.defaultOn || support.efforts.includes("none");
    return said ? { effort: "none", events: [] } : stripped("default-value");
  }
  const asked = reasoning.mode === "budget"
    ? effortOf(reasoning.budgetTokens)
    : reasoning.effort ?? null;
  if (asked === null) return stripped("no-counterpart");
  if (!support.supported) return stripped("target-limit");
  const effort = listedEffort(asked, support);
  return {
    effort,
    events: [
      ...(effort === asked ? [] : [CLAMPED]),
      ...(reasoning.mode === "budget" && reasoning.effort !== undefined ? [BUDGET_WINS] : []),
    ],
  };
}

function stripped(reason: string): AskedEffort {
  return { effort: null, events: [{ field: "reasoning", action: "stripped", reason }] };
}
