import { hash } from "node:crypto";
import type { Call, Parts, Settlement } from "./call.ts";
import { conversationIn } from "./call_facts.ts";
import type { Arm } from "./decision.ts";
import type { Group, Rollout } from "./snapshot.ts";

/** Members are told apart in steps of a hundredth of a percent. */
const STEPS = 10_000;

/**
 * Whether a key is among the first `percent` of all keys: uint32 of SHA-256 over group, salt and key
 * (NUL separated), modulo 10,000. A larger share holds every member of a smaller one.
 */
export function isMember(key: string, { group, salt, percent }: {
  readonly group: string;
  readonly salt: string;
  readonly percent: number;
}): boolean {
  const digest = hash("sha256", [group, salt, key].join("\0"), "hex");
  return parseInt(digest.slice(0, 8), 16) % STEPS < STEPS / 100 * percent;
}

/** Which arm of its group's rollout a call belongs to; a group without one has no other arm. */
export function armOf(parts: Parts, call: Call, group: Group): Arm {
  const { rollout } = group;
  if (rollout === null || parts.rollouts.isRolledBack(group)) return "base";
  const { percent, salt } = rollout;
  if (percent >= 100) return "rollout";
  return isMember(keyOf(parts, call, group, rollout), { group: group.name, salt, percent })
    ? "rollout"
    : "base";
}

function keyOf(parts: Parts, call: Call, group: Group, { by }: Rollout): string {
  const { id } = call.credential.caller;
  return by === "caller" ? id : conversationIn(parts, call, group).key ?? id;
}

/** Counts a call that ended for the rollout of its group. */
export function countForRollout({ rollouts }: Parts, call: Call, settlement: Settlement): void {
  const { decision } = call;
  if (!decision?.group.rollout?.autoRollback) return;
  const run = decision.runs.find(({ role }) => role !== "shadow");
  rollouts.count(decision.group, decision.arm, {
    fault: run?.fault ?? null,
    failed: settlement.status >= 500,
    costNusd: settlement.cost?.total == null ? null : Number(settlement.cost.total),
  });
}
