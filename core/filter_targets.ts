import { BUDGET_PRESSURE, budgetRuleOf, isTagged } from "./budget_rules.ts";
import type { Call, Parts } from "./call.ts";
import { contractReasons } from "./contract.ts";
import { CONTEXT_EXCEEDED, rejections } from "./eligibility.ts";
import { GatewayError } from "./errors.ts";
import type { RequestFeatures } from "./features.ts";
import { readDecoded } from "./open_bridge.ts";
import type { BudgetRule, Group, Target } from "./snapshot.ts";
import type { RejectedTarget } from "./strategy.ts";

/** Which targets of its group can serve a call, and why the others cannot. */
export function filterTargets(parts: Parts, call: Call): Filtered {
  const { group, features } = call;
  if (!group || !features) throw new TypeError("Cannot route a call that was not admitted");
  const asked = {
    dialect: call.dialect.name,
    features,
    unknownLimits: group.unknownLimits,
    costLimited: call.credential.caller.costLimited,
    now: call.ts,
    signals: (target: Target) => parts.health.signals(target),
    decoded() {
      const decoded = readDecoded(call);
      return decoded instanceof GatewayError ? null : decoded;
    },
  };
  const eligible: Target[] = [];
  const rejected: RejectedTarget[] = [];
  for (const target of group.targets) {
    const own = rejections(target, asked);
    const reasons = group.contract && isContractsTurn(own)
      ? [...own, ...contractReasons(target, group.contract, asked)]
      : own;
    if (reasons.length === 0) eligible.push(target);
    else rejected.push(rejectedTarget(target, reasons));
  }
  const budgetRule = budgetRuleOf(parts, call, group);
  const filtered = { group, features, eligible, rejected, budgetRule };
  return budgetRule ? withinBudget(filtered, budgetRule) : filtered;
}

/** A contract judges what passed the rules, and what only a shorter request would let pass. */
function isContractsTurn(reasons: readonly string[]): boolean {
  return reasons.length === 0 || (reasons.length === 1 && reasons[0] === CONTEXT_EXCEEDED);
}

/** Under pressure only tagged targets serve, unless there are none. */
function withinBudget(filtered: Filtered, { onlyTags }: BudgetRule): Filtered {
  const { group, eligible, rejected } = filtered;
  const tagged = eligible.filter((target) => isTagged(target, onlyTags));
  if (tagged.length === 0 || tagged.length === eligible.length) return filtered;
  const dear = eligible.filter((target) => !tagged.includes(target))
    .map((target) => rejectedTarget(target, [BUDGET_PRESSURE]));
  const place = (of: RejectedTarget) => group.targets.findIndex(({ id }) => id === of.id);
  const all = [...rejected, ...dear].toSorted((a, b) => place(a) - place(b));
  return { ...filtered, eligible: tagged, rejected: all };
}

function rejectedTarget(
  { id, provider, model }: Target,
  reasons: readonly string[],
): RejectedTarget {
  return { id, provider: provider.name, model, reasons };
}

/** A group's targets, sorted out for one call. */
export interface Filtered {
  readonly group: Group;
  readonly features: RequestFeatures;
  readonly eligible: readonly Target[];
  readonly rejected: readonly RejectedTarget[];
  /** What holds at the pressure on the caller's budget. */
  readonly budgetRule: BudgetRule | null;
}
