import { expectedCostNusd, type Plan, planOf, type RouteContext } from "@pointsman/sdk";

/** Tags of the tiers, from the cheapest; a target belongs to the tier whose tag it has. */
const TIERS = ["economy", "standard", "premium"] as const;

const TIER_OF: Readonly<Record<RouteContext["features"]["complexity"], number>> = {
  trivial: 0,
  standard: 0,
  complex: 1,
  extreme: 2,
};

/**
 * The smallest tier that fits the shape of the task, the cheapest target of it first; larger tiers
 * follow when it fails, smaller ones last. Agents with tools and long outputs get a tier more.
 */
export function route(context: RouteContext): Plan {
  const { features, targets } = context;
  const demanding = features.hasToolResults || (features.outputCap ?? 0) > 8_192;
  const wanted = Math.min(TIERS.length - 1, TIER_OF[features.complexity] + (demanding ? 1 : 0));
  const tierOf = (tags: readonly string[]) =>
    Math.max(0, TIERS.findIndex((tier) => tags.includes(tier)));
  // Down is farther than up: a model that is too small fails the task, one too large its budget.
  const distance = (tier: number) => tier >= wanted ? tier - wanted : 10 + wanted - tier;
  const order = targets.toSorted((a, b) =>
    distance(tierOf(a.tags)) - distance(tierOf(b.tags)) ||
    (expectedCostNusd(context, a) ?? Infinity) - (expectedCostNusd(context, b) ?? Infinity) ||
    a.index - b.index
  );
  return planOf(order, { classLabel: `tier:${TIERS[wanted]}` });
}
