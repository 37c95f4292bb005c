import { isTagged } from "./budget_rules.ts";
import type { Parts } from "./call.ts";
import type { Decision, PassName } from "./decision.ts";
import { memoOfObject } from "./memo.ts";
import type { Group } from "./snapshot.ts";

/** One thing that may change the order of a plan. It adds no target and drops none. */
interface Pass {
  readonly name: PassName;
  /** Whether a group has it: asked once. */
  isFor(group: Group): boolean;
  /** The order it leaves, in indexes of `RouteContext.targets`; what it saw goes to the decision. */
  apply(parts: Parts, decision: Decision, order: readonly number[]): readonly number[];
}

/** The target that the conversation is pinned to comes first. A plan without it stays without it. */
const pin: Pass = {
  name: "pin",
  isFor: ({ affinity }) => affinity.enabled && affinity.enforce,
  apply: (_parts, { context }, order) => toFront(order, (index) => index === context.pinnedIndex),
};

/** Under pressure on the caller's budget, targets with a preferred tag come first, before any pin. */
const budgetPreference: Pass = {
  name: "budget",
  isFor: ({ budgetRules }) => budgetRules.some(({ preferTags }) => preferTags.length > 0),
  apply(_parts, { budgetRule, eligible }, order) {
    if (budgetRule === null) return order;
    return toFront(order, (index) => isTagged(eligible[index]!, budgetRule.preferTags));
  },
};

/**
 * Targets that fail now stand behind the others, and are still a last resort; when all of them fail,
 * the order stands.
 */
const availability: Pass = {
  name: "availability",
  isFor: () => true,
  apply({ health }, decision, order) {
    const { group, eligible, context } = decision;
    const found = order.filter((index) =>
      health.isFailing(group, eligible[index]!) ||
      context.targets[index]?.signals.backoffUntil !== null
    );
    if (found.length === 0) return order;
    const failing = new Set(found);
    decision.deferredCount = failing.size;
    decision.panic = failing.size === order.length;
    if (decision.panic) return order;
    if (failing.has(context.pinnedIndex ?? -1)) decision.pinState = "deferred";
    return toFront(order, (index) => !failing.has(index));
  },
};

/** What happens to every plan that holds, in this order. */
const PASSES: readonly Pass[] = [pin, budgetPreference, availability];

/** A group's own are found once: groups live as long as their snapshot. */
const passesOf = memoOfObject((group: Group) => PASSES.filter((pass) => pass.isFor(group)));

/** Runs a plan through the passes of its group: the decision has the order each left, and its targets. */
export function applyPasses(parts: Parts, decision: Decision, planned: readonly number[]): void {
  let order = planned;
  decision.passes.push({ pass: "strategy", order });
  for (const pass of passesOf(decision.group)) {
    order = pass.apply(parts, decision, order);
    decision.passes.push({ pass: pass.name, order });
  }
  decision.targets = order.flatMap((index) => decision.eligible[index] ?? []);
}

/** The same order, those that are wanted before the others; the very same where that changes nothing. */
function toFront(
  order: readonly number[],
  isWanted: (index: number) => boolean,
): readonly number[] {
  const wanted = order.filter(isWanted);
  if (wanted.length === 0 || wanted.length === order.length) return order;
  return [...wanted, ...order.filter((index) => !wanted.includes(index))];
}
