import { type Cost, costOf } from "../../core/cost.ts";
import type { RecordedCall } from "../../core/decision_store.ts";
import { memoOfObject } from "../../core/memo.ts";
import type { Prices } from "../../core/snapshot.ts";
import type { RouteContext } from "../../core/strategy.ts";
import type { TargetStatics } from "../../core/telemetry/context_record.ts";
import type { Deciders } from "./deciders.ts";
import type { Amounts, CallOutcome, CandidateOutcome } from "./page_outcome.ts";
import { type Planned, plansOf } from "./plans.ts";
import type { ReadRecord } from "./read_record.ts";

type ReadCall = ReadRecord<RecordedCall>;

const NOTHING_SPENT = { input: 0, cached_input: 0, cache_write: 0, output: 0, image: 0 };

/** What became of a call. */
export function servedOutcome({ record, context, statics }: ReadCall): CallOutcome {
  const { servedIndex, costNusd, tokens } = record;
  return {
    group: record.group,
    caller: record.caller,
    conversation: context.conversationKey,
    latencyMs: record.latencyMs,
    hasCached: tokens.cachedInput > 0,
    target: servedIndex === null ? null : statics.targets[servedIndex]?.id ?? null,
    cost: costNusd.total === null ? null : {
      input: Number(costNusd.input),
      cached_input: Number(costNusd.cached_input),
      cache_write: Number(costNusd.cache_write),
      output: Number(costNusd.output),
      image: Number(costNusd.image),
    },
    candidate: null,
  };
}

/**
 * What would have become of it under another plan. The same plan meets the same fate; another one is
 * served by its first target that did not fail the call. A fault is answered as the group says.
 */
export async function candidateOutcome(
  call: ReadCall,
  planned: Planned,
  deciders: Deciders,
): Promise<CandidateOutcome> {
  const plan = planned.kind === "plan" ? planned : await fallbackPlan(call, deciders);
  const fault = planned.kind === "fault";
  if (plan === null) {
    return { target: null, cached: NOTHING_SPENT, uncached: NOTHING_SPENT, latencyMs: null, fault };
  }
  const { record, statics } = call;
  const same = plan.json === record.planJson;
  const index = same ? record.servedIndex : likelyIndex(call, plan.order);
  const target = index === null ? undefined : statics.targets[index];
  if (index === null || !target) {
    const { target, cost } = servedOutcome(call);
    return { target, cached: cost, uncached: cost, latencyMs: SAME_TIME, fault };
  }
  const prices = pricesOf(target);
  return {
    target: target.id,
    cached: same ? servedOutcome(call).cost : amounts(costOf(record.tokens, prices)),
    uncached: amounts(costOf({ ...record.tokens, cachedInput: 0 }, prices)),
    latencyMs: index === record.servedIndex
      ? SAME_TIME
      : slower(call.context, index, record.servedIndex),
    fault,
  };
}

const SAME_TIME = { p50: 0, p95: 0 };

async function fallbackPlan({ statics, context }: ReadCall, deciders: Deciders) {
  if (!statics.fallsBack) return null;
  const decider = deciders.builtin(statics.base);
  if (typeof decider === "string") return null;
  const [plan] = await plansOf([{ decider, context }]);
  return plan?.kind === "plan" ? plan : null;
}

/** `groupIndex` of the first target that did not fail the call; of the first where all did. */
function likelyIndex({ record, context }: ReadCall, order: readonly number[]): number | null {
  const targets = order.flatMap((index) => context.targets[index] ?? []);
  const whole = targets.find(({ id }) => !record.failedTargets.includes(id));
  return (whole ?? targets[0])?.groupIndex ?? null;
}

function slower(
  { targets }: RouteContext,
  index: number,
  servedIndex: number | null,
): CandidateOutcome["latencyMs"] {
  const signalsOf = (place: number | null) =>
    targets.find(({ groupIndex }) => groupIndex === place)?.signals;
  const [other, served] = [signalsOf(index), signalsOf(servedIndex)];
  if (!other || !served) return null;
  if (other.p50LatencyMs === null || served.p50LatencyMs === null) return null;
  if (other.p95LatencyMs === null || served.p95LatencyMs === null) return null;
  return {
    p50: Math.round(other.p50LatencyMs - served.p50LatencyMs),
    p95: Math.round(other.p95LatencyMs - served.p95LatencyMs),
  };
}

const pricesOf = memoOfObject(({ prices }: TargetStatics): Prices => {
  const exact = (price: number | null) => price === null ? null : BigInt(price);
  return {
    input: exact(prices.input),
    cachedInput: exact(prices.cachedInput),
    cacheWrite: exact(prices.cacheWrite),
    output: exact(prices.output),
    image: exact(prices.image),
    perImage: exact(prices.perImage),
    source: "",
    updatedAt: "",
  };
});

function amounts({ input, cachedInput, cacheWrite, output, image, total }: Cost): Amounts {
  if (total === null) return null;
  return {
    input: Number(input),
    cached_input: Number(cachedInput),
    cache_write: Number(cacheWrite),
    output: Number(output),
    image: Number(image),
  };
}
