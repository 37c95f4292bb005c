import { type Reply, tryTarget } from "./attempt.ts";
import { type Call, cutError, type Parts } from "./call.ts";
import { hedgeDelayMs, tryHedged } from "./hedge.ts";
import { pause } from "./pause.ts";
import { retryDelayMs } from "./retry.ts";
import type { Group, Target } from "./snapshot.ts";
import { failure } from "./upstream_error.ts";
import { upstreamFailure } from "./upstream_failure.ts";
import { attemptPlan, follow, hasTriesLeft, timeLeftMs, type Walk } from "./walk.ts";
import { openTargets, withheldError } from "./withheld.ts";

/**
 * Step 5: walks the plan until a target replies. Each failure decides which targets may follow.
 *
 * @throws {GatewayError} the last failure, in the words for callers
 */
export async function send(
  parts: Parts,
  call: Call,
  plan: readonly Target[],
): Promise<Reply> {
  const { group } = call;
  if (!group) throw new TypeError("Cannot send a call that was not admitted");
  parts.retries.countCall(group);
  parts.hedges.countCall(group);
  const walk: Walk = { left: plan, failure: null, refusal: null, withheld: [] };
  while (mayTry(parts, call, group, walk)) {
    const reply = await tryNext(parts, call, group, walk);
    if (reply !== null) return reply;
  }
  throw noReply(parts, call, walk);
}

function mayTry(parts: Parts, call: Call, group: Group, { left }: Walk): boolean {
  if (left.length === 0) return false;
  if (call.attempts.length === 0) return true;
  return hasTriesLeft(call, group) && timeLeftMs(parts, call, group) > 0 &&
    parts.retries.takeRetry(group);
}

/** Tries the next target that may be tried now, and another beside it where that is slow. */
async function tryNext(
  parts: Parts,
  call: Call,
  group: Group,
  walk: Walk,
): Promise<Reply | null> {
  if (call.attempts.length > 0) {
    await pause(call, retryDelayMs(group.retry, retriesOf(call), parts.random()));
  }
  if (call.cut !== null) throw cutError(call.cut);
  const ready = parts.health.readyFirst(group, walk.left);
  const opened = await openTargets(parts, call, ready, walk.withheld);
  walk.left = opened?.left ?? [];
  const [target] = walk.left;
  if (!opened || !target) return null;
  const first = attemptPlan(parts, call, group, { target, pass: opened.pass, hedge: false });
  const delayMs = hedgeDelayMs(parts, call, group, walk);
  if (delayMs !== null) return await tryHedged(parts, call, walk, { first, group, delayMs });
  return follow(call, walk, first, await tryTarget(parts, call, first));
}

/** Retries of a call before the one that is due: a hedge follows nothing. */
function retriesOf({ attempts }: Call): number {
  return attempts.filter(({ hedge }) => !hedge).length - 1;
}

/** Why a walk ended without a reply. */
function noReply(parts: Parts, call: Call, { failure: last, refusal, withheld }: Walk) {
  if (last === null && withheld.length > 0) return withheldError(parts, call, withheld);
  if (last === null && refusal) return refusal;
  return upstreamFailure(call, last ?? failure("upstream_timeout"));
}
