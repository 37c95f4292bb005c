import type { Pass } from "./pass.ts";

/**
 * Targets that fail now stand behind the others, and are still a last resort; when all of them fail,
 * the order stands.
 */
export const availability: Pass = {
  name: "availability",
  isFor: () => true,
  apply({ health }, decision, order) {
    const { group, eligible } = decision;
    const failing = order.filter((index) => {
      const target = eligible[index];
      return target !== undefined && health.isFailing(group, target);
    });
    decision.deferredCount = failing.length;
    decision.panic = failing.length === order.length;
    if (failing.length === 0 || decision.panic) return order;
    return [...order.filter((index) => !failing.includes(index)), ...failing];
  },
};
