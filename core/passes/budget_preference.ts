import { isTagged } from "../budget_rules.ts";
import { toFront } from "./order.ts";
import type { Pass } from "./pass.ts";

/** Under pressure on the caller's budget, targets with a preferred tag come first, before any pin. */
export const budgetPreference: Pass = {
  name: "budget",
  isFor: ({ budgetRules }) => budgetRules.some(({ preferTags }) => preferTags.length > 0),
  apply(_parts, { budgetRule, eligible }, order) {
    if (budgetRule === null) return order;
    return toFront(order, (index) => isTagged(eligible[index]!, budgetRule.preferTags));
  },
};
