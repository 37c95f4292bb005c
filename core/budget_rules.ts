import type { Call, Parts } from "./call.ts";
import { budgetIn } from "./call_facts.ts";
import type { BudgetRule, Group, Target } from "./snapshot.ts";

/** Why a target is not for a call whose budget is nearly used up. */
export const BUDGET_PRESSURE = "budget-pressure";

/** The rule of the highest pressure that a call has reached; `null`: none. */
export function budgetRuleOf(
  parts: Parts,
  call: Call,
  { budgetRules }: Group,
): BudgetRule | null {
  if (budgetRules.length === 0) return null;
  const { pressure } = budgetIn(parts, call);
  return budgetRules.findLast(({ at }) => pressure >= at) ?? null;
}

/** Whether a target has one of the tags. */
export function isTagged({ tags }: Pick<Target, "tags">, wanted: readonly string[]): boolean {
  return wanted.some((tag) => tags.includes(tag));
}
