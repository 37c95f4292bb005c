import { COST_CLASSES, type CostClass } from "../../core/decision_store.ts";

/** How the second decision of a record compares with the first. */
export const VERDICTS = [
  "identical",
  "different",
  "engineChanged",
  "remote",
  "needsContent",
  "corrupt",
  "missing",
] as const;
export type Verdict = typeof VERDICTS[number];

/** A plan that was not the same when it was made again. */
export interface Difference {
  readonly requestId: string;
  readonly stored: string;
  /** `null`: there is none. */
  readonly redecided: string | null;
}

/** Nano-USD by class; `null`: a class has no price. */
export type Amounts = Readonly<Record<CostClass, number>> | null;

/** What a candidate would have done about a call. */
export interface CandidateOutcome {
  /** Id of the target; `null`: it has no plan. */
  readonly target: string | null;
  /** With the cached tokens of the call, and with none. */
  readonly cached: Amounts;
  readonly uncached: Amounts;
  /** How much slower its target is, ms; `null`: not known of both. */
  readonly latencyMs: { readonly p50: number; readonly p95: number } | null;
  readonly fault: boolean;
}

/** What replay needs of a call to account for it. */
export interface CallOutcome {
  readonly group: string;
  readonly caller: string;
  readonly conversation: string | null;
  readonly latencyMs: number;
  readonly hasCached: boolean;
  /** Id of the target that served. */
  readonly target: string | null;
  readonly cost: Amounts;
  /** `null`: there is no candidate, or it cannot decide here. */
  readonly candidate: CandidateOutcome | null;
}

/** What a job makes of a page. */
export interface PageOutcome {
  readonly verdicts: Readonly<Record<Verdict, number>>;
  /** The first ones. */
  readonly differences: readonly Difference[];
  /** Ids of the first records that are damaged. */
  readonly damaged: readonly string[];
  /** Calls whose candidate would need their content, or somebody else's answer. */
  readonly undecided: { readonly needsContent: number; readonly remote: number };
  readonly calls: PackedCalls;
}

/** Calls as columns of numbers, which cross threads without being copied. */
export interface PackedCalls {
  /** Groups, callers, conversations and targets, by their number. */
  readonly names: readonly string[];
  readonly numbers: Float64Array<ArrayBuffer>;
}

const CLASSES = COST_CLASSES.length;
/** Facts, then the costs of three sides, then two latencies. */
const WIDTH = 7 + 3 * CLASSES + 2;
const NOTHING = -1;

const FLAG = {
  cached: 1,
  candidate: 2,
  fault: 4,
  latency: 8,
  unpriced: 16,
  cachedUnpriced: 32,
  uncachedUnpriced: 64,
};

/** Packs calls, in their order. */
export function packCalls(calls: readonly CallOutcome[]): PackedCalls {
  const places = new Map<string, number>();
  const place = (name: string | null) => {
    if (name === null) return NOTHING;
    return places.getOrInsertComputed(name, () => places.size);
  };
  const numbers = new Float64Array(calls.length * WIDTH);
  calls.forEach((call, index) => {
    const { candidate } = call;
    const at = index * WIDTH;
    numbers.set([
      place(call.group),
      place(call.caller),
      place(call.conversation),
      call.latencyMs,
      place(call.target),
      place(candidate?.target ?? null),
      flagsOf(call),
    ], at);
    setAmounts(numbers, at + 7, call.cost);
    setAmounts(numbers, at + 7 + CLASSES, candidate?.cached ?? null);
    setAmounts(numbers, at + 7 + 2 * CLASSES, candidate?.uncached ?? null);
    numbers[at + WIDTH - 2] = candidate?.latencyMs?.p50 ?? 0;
    numbers[at + WIDTH - 1] = candidate?.latencyMs?.p95 ?? 0;
  });
  return { names: [...places.keys()], numbers };
}

function flagsOf({ hasCached, cost, candidate }: CallOutcome): number {
  return (hasCached ? FLAG.cached : 0) | (cost === null ? FLAG.unpriced : 0) |
    (candidate === null ? 0 : FLAG.candidate) | (candidate?.fault ? FLAG.fault : 0) |
    (candidate?.latencyMs ? FLAG.latency : 0) |
    (candidate?.cached === null ? FLAG.cachedUnpriced : 0) |
    (candidate?.uncached === null ? FLAG.uncachedUnpriced : 0);
}

function setAmounts(numbers: Float64Array, at: number, amounts: Amounts): void {
  if (amounts === null) return;
  COST_CLASSES.forEach((name, index) => numbers[at + index] = amounts[name]);
}

/** Reads packed calls, in their order. */
export function* unpackCalls({ names, numbers }: PackedCalls): Iterable<CallOutcome> {
  const name = (place: number) => names[place] ?? null;
  for (let at = 0; at < numbers.length; at += WIDTH) {
    const [group, caller, conversation, latencyMs, target, planned, flags] = numbers
      .subarray(at, at + 7);
    const has = (flag: number) => (flags! & flag) !== 0;
    const amounts = (side: number, unpriced: number) =>
      has(unpriced) ? null : amountsAt(numbers, at + 7 + side * CLASSES);
    yield {
      group: name(group!) ?? "",
      caller: name(caller!) ?? "",
      conversation: name(conversation!),
      latencyMs: latencyMs!,
      hasCached: has(FLAG.cached),
      target: name(target!),
      cost: amounts(0, FLAG.unpriced),
      candidate: has(FLAG.candidate)
        ? {
          target: name(planned!),
          cached: amounts(1, FLAG.cachedUnpriced),
          uncached: amounts(2, FLAG.uncachedUnpriced),
          latencyMs: has(FLAG.latency)
            ? { p50: numbers[at + WIDTH - 2]!, p95: numbers[at + WIDTH - 1]! }
            : null,
          fault: has(FLAG.fault),
        }
        : null,
    };
  }
}

function amountsAt(numbers: Float64Array, at: number): Readonly<Record<CostClass, number>> {
  return {
    input: numbers[at]!,
    cached_input: numbers[at + 1]!,
    cache_write: numbers[at + 2]!,
    output: numbers[at + 3]!,
    image: numbers[at + 4]!,
  };
}
