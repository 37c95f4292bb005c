import type { Call } from "./call.ts";
import { rejections } from "./eligibility.ts";
import { GatewayError } from "./errors.ts";
import type { RequestFeatures } from "./features.ts";
import { readDecoded } from "./open_bridge.ts";
import type { Group, Target } from "./snapshot.ts";
import type { RejectedTarget } from "./strategy.ts";

/** Which targets of its group can serve a call, and why the others cannot. */
export function filterTargets(call: Call): Filtered {
  const { group, features } = call;
  if (!group || !features) throw new TypeError("Cannot route a call that was not admitted");
  const asked = {
    dialect: call.dialect.name,
    features,
    unknownLimits: group.unknownLimits,
    costLimited: call.credential.caller.costLimited,
    decoded() {
      const decoded = readDecoded(call);
      return decoded instanceof GatewayError ? null : decoded;
    },
  };
  const eligible: Target[] = [];
  const rejected: RejectedTarget[] = [];
  for (const target of group.targets) {
    const reasons = rejections(target, asked);
    if (reasons.length === 0) eligible.push(target);
    else {
      const { id, provider, model } = target;
      rejected.push({ id, provider: provider.name, model, reasons });
    }
  }
  return { group, features, eligible, rejected };
}

/** A group's targets, sorted out for one call. */
export interface Filtered {
  readonly group: Group;
  readonly features: RequestFeatures;
  readonly eligible: readonly Target[];
  readonly rejected: readonly RejectedTarget[];
}
