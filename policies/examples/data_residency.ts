import { type Plan, planOf, random, type RouteContext, weightedOrder } from "@pointsman/sdk";

/** Regions that may see a project's data; projects that are not listed may use any. */
const REGIONS: Readonly<Record<string, readonly string[]>> = {
  "claims": ["eu-central", "eu-west"],
  "payroll": ["eu-central"],
};

/**
 * Only targets in the regions of the caller's project, by weight. A project that is bound to a region
 * gets an error rather than a target elsewhere: with `on_error: fail_closed` the call is refused.
 */
export function route({ caller, seed, targets }: RouteContext): Plan {
  const regions = REGIONS[caller.project ?? ""];
  const allowed = regions
    ? targets.filter(({ region }) => region !== null && regions.includes(region))
    : targets;
  return planOf(weightedOrder(allowed, random(seed)), {
    classLabel: regions ? `residency:${caller.project}` : "residency:free",
  });
}
