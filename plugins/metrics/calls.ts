import {
  type Attempt,
  type Call,
  fallbackReason,
  isFallback,
  servingAttempt,
  type Settlement,
} from "@/core/call.ts";
import { errorOrigin, outcomeOf } from "@/core/call_record.ts";
import { inputClasses } from "@/core/cost.ts";
import type { Target } from "@/core/snapshot.ts";
import type { Families } from "./families.ts";
import { memo, memoOfObject } from "@/core/memo.ts";
import { OTHER } from "./series.ts";

const STATUS_CLASSES = ["0xx", "1xx", "2xx", "3xx", "4xx", "5xx"];
const TOKEN_CLASSES = ["input", "cached_input", "cache_write", "image", "output", "reasoning"];
const COST_CLASSES = ["input", "cached_input", "cache_write", "image", "output"];

/** Counts calls. The series a call belongs to are looked up once per group and target. */
export function callCounter(families: Families): (call: Call, settlement: Settlement) => void {
  const groups = memo((name: string) => groupSeries(families, name));
  const targets = memoOfObject((target: Target) => attemptSeries(families, target));
  const usages = memo((group: string) =>
    memoOfObject((target: Target) => usageSeries(families, group, target))
  );
  return (call, settlement) => {
    const group = call.group?.name ?? OTHER;
    countEnd(groups(group), call, settlement);
    for (const attempt of call.attempts) countAttempt(targets(attempt.target), call, attempt);
    const serving = servingAttempt(call);
    if (serving) countUsage(usages(group)(serving.target), call, { serving, settlement });
  };
}

function groupSeries(families: Families, group: string) {
  return {
    requests: memo((dialect: string) =>
      memo((status: string) =>
        memo((cache: string) => families.requests.at(group, dialect, status, cache))
      )
    ),
    duration: memo((stream: boolean) =>
      memo((status: string) => families.duration.at(group, String(stream), status))
    ),
    errors: memo((error: string) =>
      memo((origin: string) => families.errors.at(group, error, origin))
    ),
    interruptions: memo((origin: string) => families.interruptions.at(group, origin)),
    fallbacks: memo((reason: string) => families.fallbacks.at(group, reason)),
    overhead: families.overhead.at(group),
    unpriced: families.unpriced.at(group),
  };
}

function attemptSeries(families: Families, { provider, model }: Target) {
  return memo((outcome: string) => ({
    attempts: families.attempts.at(provider.name, model, outcome),
    duration: families.upstreamDuration.at(provider.name, model, outcome),
    ttfb: families.upstreamTtfb.at(provider.name, model, outcome),
  }));
}

function usageSeries(families: Families, group: string, { provider, model }: Target) {
  const served = [group, provider.name, model] as const;
  return {
    tokens: TOKEN_CLASSES.map((name) => families.tokens.at(...served, name)),
    cost: COST_CLASSES.map((name) => families.cost.at(...served, name)),
    ttft: families.ttft.at(...served),
    throughput: families.throughput.at(provider.name, model),
  };
}

function countEnd(
  series: ReturnType<typeof groupSeries>,
  call: Call,
  { at, status, error, partial, usage, cost }: Settlement,
): void {
  const statusClass = STATUS_CLASSES[Math.floor(status / 100)] ?? OTHER;
  const latencyMs = at - call.startedAt;
  series.requests(call.dialect.name)(statusClass)(call.cache?.status ?? "bypass").value += 1;
  series.duration(call.wireFeatures?.stream === true)(statusClass).observe(latencyMs / 1000);
  series.overhead.observe(Math.max(0, latencyMs - call.waitedMs) / 1000);
  if (usage.source !== "none" && cost?.total === null) series.unpriced.value += 1;
  if (error) {
    const origin = errorOrigin(error);
    series.errors(error.type)(origin).value += 1;
    if (partial) series.interruptions(origin).value += 1;
  }
  for (const attempt of call.attempts) {
    if (isFallback(call, attempt)) {
      series.fallbacks(fallbackReason(call, attempt) ?? OTHER).value += 1;
    }
  }
}

function countAttempt(
  outcomes: ReturnType<typeof attemptSeries>,
  call: Call,
  attempt: Attempt,
): void {
  const { startedAt, endedAt, firstByteAt } = attempt;
  const outcome = outcomes(outcomeOf(call, attempt));
  outcome.attempts.value += 1;
  if (endedAt !== null) outcome.duration.observe((endedAt - startedAt) / 1000);
  if (firstByteAt !== null) outcome.ttfb.observe((firstByteAt - startedAt) / 1000);
}

function countUsage(
  { tokens, cost: money, ttft, throughput }: ReturnType<typeof usageSeries>,
  call: Call,
  { serving, settlement }: { readonly serving: Attempt; readonly settlement: Settlement },
): void {
  const { usage, cost, error } = settlement;
  if (usage.source !== "none") {
    const { plain, cached, written, images } = inputClasses(usage);
    add(tokens, [plain, cached, written, images, usage.output, usage.reasoning ?? 0]);
  }
  if (cost) {
    const { input, cachedInput, cacheWrite, image, output } = cost;
    add(money, [input, cachedInput, cacheWrite, image, output].map(Number));
  }
  if (call.wireFeatures?.stream && call.firstContentAt !== null) {
    ttft.observe((call.firstContentAt - call.startedAt) / 1000);
  }
  const ms = (serving.endedAt ?? settlement.at) - serving.startedAt;
  if (!error && usage.output > 0 && ms > 0) throughput.observe(usage.output * 1000 / ms);
}

function add(tallies: readonly { value: number }[], amounts: readonly number[]): void {
  for (let index = 0; index < tallies.length; index++) tallies[index]!.value += amounts[index]!;
}
