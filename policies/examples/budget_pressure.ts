import { byScore, expectedCostNusd, type Plan, planOf, type RouteContext } from "@pointsman/sdk";

/** Share of a caller's budget from which cheaper targets are preferred, and from which only they serve. */
const PREFER_FROM = 0.8;
const ONLY_FROM = 0.95;

/** Weights as configured while there is budget; the cheaper, the earlier, as it runs out. */
export function route(context: RouteContext): Plan {
  const { budget, targets } = context;
  if (budget.pressure < PREFER_FROM) {
    return planOf(byScore(targets, ({ weight }) => weight), { classLabel: "budget:normal" });
  }
  const cheapestFirst = byScore(targets, (target) => {
    const cost = expectedCostNusd(context, target);
    return cost === null ? null : -cost;
  });
  if (budget.pressure < ONLY_FROM) {
    return planOf(cheapestFirst, { classLabel: "budget:tight" });
  }
  const economy = cheapestFirst.filter(({ tags }) => tags.includes("economy"));
  return planOf(economy.length > 0 ? economy : cheapestFirst, { classLabel: "budget:last" });
}
