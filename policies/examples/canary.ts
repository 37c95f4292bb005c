import { byScore, type Plan, planOf, type RouteContext } from "@pointsman/sdk";

/** Conversations of a hundred that the targets tagged `canary` serve. */
const PERCENT = 10;

/**
 * A share of conversations tries the new model first. A conversation stays on its side, in every
 * process and while the share grows; calls that belong to no conversation stay with the old model.
 */
export function route({ conversationKey, targets }: RouteContext): Plan {
  const chosen = conversationKey !== null && place(conversationKey) < PERCENT;
  const isCanary = ({ tags }: { tags: readonly string[] }) => tags.includes("canary");
  const order = byScore(targets, (target) => Number(isCanary(target) === chosen));
  return planOf(order, { classLabel: chosen ? "canary:new" : "canary:old" });
}

/** 0 to 99, evenly: the key is a hash already. */
function place(key: string): number {
  return parseInt(key.slice("ck_".length, "ck_".length + 8), 16) % 100;
}
