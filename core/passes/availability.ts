import { toFront } from "./order.ts";
import type { Pass } from "./pass.ts";

/**
 * Targets that fail now stand behind the others, and are still a last resort; when all of them fail,
 * the order stands.
 */
export const availability: Pass = {
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
