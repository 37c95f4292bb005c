import { byScore, type Plan, planOf, type RouteContext, type TargetView } from "@pointsman/sdk";

/** Fewer observations say nothing about a target. */
const MIN_OBSERVATIONS = 20;

/** How much slower the place of a conversation may be before it moves: its prompt cache is worth that. */
const PATIENCE = 1.5;

/**
 * Long conversations stay where their prompt is cached, as long as that target is well and not much
 * slower than the best; all others go to the target that answers first.
 */
export function route(context: RouteContext): Plan {
  const well = context.targets.filter(isWell);
  const order = byScore(well.length > 0 ? well : context.targets, speed);
  const home = homeOf(context, order);
  if (!home) return planOf(order, { classLabel: "latency:fastest" });
  return planOf([home, ...order.filter((target) => target !== home)], {
    classLabel: "latency:sticky",
  });
}

function isWell({ signals }: TargetView): boolean {
  return signals.breaker === "closed" && signals.backoffUntil === null &&
    (signals.observations < MIN_OBSERVATIONS || (signals.errorRate ?? 0) < 0.1);
}

/** Time to the first content, the other way round; a target nobody has tried yet gets its turn. */
function speed({ signals }: TargetView): number {
  if (signals.observations < MIN_OBSERVATIONS || signals.p50TtfbMs === null) return 0;
  return -signals.p50TtfbMs;
}

/** The target a conversation of several turns belongs to, unless it has become too slow. */
function homeOf(context: RouteContext, order: readonly TargetView[]): TargetView | null {
  const { conversationKey, features } = context;
  const [fastest] = order;
  if (!fastest || conversationKey === null || features.turnCount < 2) return null;
  const place = parseInt(conversationKey.slice(3, 11), 16) % order.length;
  const home = order.toSorted((a, b) => a.groupIndex - b.groupIndex)[place] ?? fastest;
  return -speed(home) <= -speed(fastest) * PATIENCE ? home : null;
}
