import { type AttemptPlan, type Outcome, type Reply, stopOthers, tryTarget } from "./attempt.ts";
import { type Call, type Parts, servingAttempt } from "./call.ts";
import { budgetIn } from "./call_facts.ts";
import { orLate } from "./deadlines.ts";
import { GatewayError } from "./errors.ts";
import { adoptCost, releaseCost, reserveMoreCost } from "./reserve.ts";
import type { Group, Target } from "./snapshot.ts";
import { attemptPlan, follow, hasTriesLeft, timeLeftMs, type Walk } from "./walk.ts";
import { enter } from "./withheld.ts";

/** The first target of a walk, how long it may take alone (ms), and what allows a second. */
export interface Hedged {
  readonly first: AttemptPlan;
  readonly group: Group;
  readonly delayMs: number;
}

/**
 * How long the first target of a walk may take before another is tried beside it, ms; `null`: it is
 * tried alone.
 */
export function hedgeDelayMs(
  parts: Parts,
  call: Call,
  group: Group,
  { left }: Walk,
): number | null {
  const { hedge } = group;
  const [target] = left;
  if (hedge === null || !target || left.length === 1) return null;
  if (call.attempts.some((attempt) => attempt.hedge) || !parts.hedges.has(group)) return null;
  const stream = call.features?.stream === true;
  const delayMs = hedge.afterMs ?? parts.health.slowMs(target, stream);
  return delayMs !== null && delayMs < timeLeftMs(parts, call, group) ? delayMs : null;
}

/** A race of two targets, as far as the second must know about it. */
interface Race extends Hedged {
  readonly walk: Walk;
  /** The second, once it has begun. */
  second: AttemptPlan | null;
  over: boolean;
}

interface Ended {
  readonly plan: AttemptPlan;
  readonly outcome: Outcome;
}

/**
 * Tries a target and, when it is slow, the next one beside it. The first with content serves and ends
 * the other. When one fails the other goes on alone; the second only where it may follow such a
 * failure.
 *
 * @returns the reply; `null`: none of them has one
 * @throws {GatewayError} when the call was cut
 */
export async function tryHedged(
  parts: Parts,
  call: Call,
  walk: Walk,
  hedged: Hedged,
): Promise<Reply | null> {
  const { first, delayMs } = hedged;
  const race: Race = { ...hedged, walk, second: null, over: false };
  call.contested = true;
  try {
    const leading = tryTarget(parts, call, first);
    const early = await orLate(parts.deadlines, leading, { ms: delayMs, late: () => null });
    if (early !== null) return follow(call, walk, first, early);
    return await raced(parts, call, race, {
      leading: leading.then((outcome) => ({ plan: first, outcome })),
      hedge: trySecond(parts, call, race),
    });
  } finally {
    end(parts, call, race);
  }
}

/** Whoever does not serve by now never will: it is stopped before it can begin to. */
function end(parts: Parts, call: Call, race: Race): void {
  race.over = true;
  call.contested = false;
  stopOthers(parts, call);
}

interface Tries {
  readonly leading: Promise<Ended>;
  /** `null`: there is no second. */
  readonly hedge: Promise<Ended | null>;
}

async function raced(
  parts: Parts,
  call: Call,
  race: Race,
  { leading, hedge }: Tries,
): Promise<Reply | null> {
  const { walk, first } = race;
  // What is not awaited any more fails unheard.
  for (const trying of [leading, hedge]) trying.catch(() => {});
  const ended = await firstEnded(parts, call, race, { leading, hedge });
  call.contested = false;
  const reply = ended && follow(call, walk, ended.plan, ended.outcome);
  if (reply) return reply;
  const isFirst = ended?.plan === first;
  const { second } = race;
  if (isFirst && (second === null || !walk.left.includes(second.target))) {
    end(parts, call, race);
    // The second may have served while the first failed: only who relays its reply ends it.
    if (servingAttempt(call) === null) return null;
  }
  const last = await (isFirst ? hedge : leading);
  return last && follow(call, walk, last.plan, last.outcome);
}

/** @throws what one of them threw, unless the other serves already */
async function firstEnded(
  parts: Parts,
  call: Call,
  race: Race,
  { leading, hedge }: Tries,
): Promise<Ended | null> {
  try {
    return await Promise.race([leading, hedge]);
  } catch (error) {
    end(parts, call, race);
    if (servingAttempt(call) === null) throw error;
    return await Promise.any([leading, hedge]);
  }
}

/** The next target of the walk that is well: a hedge is no probe of one that was failing. */
function nextTarget(parts: Parts, { walk, first }: Race): Target | undefined {
  return walk.left.find((target) => target !== first.target && parts.health.isSound(target));
}

function mayHedge(parts: Parts, call: Call, { group, over }: Race): boolean {
  if (over || call.cut !== null || parts.drain.draining || group.hedge === null) return false;
  if (servingAttempt(call) !== null) return false;
  return parts.hedges.has(group) && hasTriesLeft(call, group) &&
    timeLeftMs(parts, call, group) > 0 && budgetIn(parts, call).pressure <= group.hedge.maxPressure;
}

/** A limit whose store is out of reach allows no second target. */
function refused(error: unknown): null {
  if (error instanceof GatewayError) return null;
  throw error;
}

/** Tries the next target beside the first, if there is one and it may be. */
async function trySecond(parts: Parts, call: Call, race: Race): Promise<Ended | null> {
  const target = nextTarget(parts, race);
  if (!target || !mayHedge(parts, call, race)) return null;
  const cost = await reserveMoreCost(parts, call, target).catch(refused);
  if (cost === null) return null;
  try {
    if (!mayHedge(parts, call, race) || !parts.health.isSound(target)) return null;
    const { group } = race;
    const pass = enter(parts, call, target);
    if (pass !== null && !("probes" in pass)) return null;
    parts.hedges.take(group);
    race.second = attemptPlan(parts, call, group, { target, pass, hedge: true });
    return { plan: race.second, outcome: await tryTarget(parts, call, race.second) };
  } finally {
    const serves = race.second !== null && call.attempts[race.second.index]?.selected === true;
    if (serves) adoptCost(parts, call, cost);
    else releaseCost(parts, cost);
  }
}
