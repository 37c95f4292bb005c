import { COST_CLASSES, type CostClass } from "../../core/decision_store.ts";
import type { Amounts, CallOutcome, CandidateOutcome } from "./page_outcome.ts";

/** Calls and what they cost, of one side. */
export interface Side {
  calls: number;
  readonly nusd: Record<CostClass, bigint>;
}

/** Both sides of some calls. */
export interface Sides {
  readonly served: Side;
  readonly candidate: Side;
}

/** What a conversation did last. */
interface Turn {
  readonly served: string | null;
  readonly candidate: string | null;
}

/**
 * Adds up calls in the order in which they came. All sums are integers, so it does not matter who decided
 * about which of them.
 */
export class ReplayAccount {
  readonly total = newSides();
  readonly groups = new Map<string, Sides>();
  readonly callers = new Map<string, Sides>();
  /** By group and target. */
  readonly targets = new Map<string, Map<string, { served: number; candidate: number }>>();
  /** Calls by their latency, ms. */
  readonly latencies = new Map<number, number>();
  calls = 0;
  faults = 0;
  unpriced = 0;
  /** Sums over the calls whose latencies are known on both sides, ms. */
  readonly slower = { calls: 0, p50: 0, p95: 0 };
  readonly #conversations = new Map<string, Turn>();

  add(call: CallOutcome): void {
    this.calls += 1;
    this.latencies.set(call.latencyMs, (this.latencies.get(call.latencyMs) ?? 0) + 1);
    const { candidate } = call;
    this.#countTarget(call.group, call.target, "served");
    if (candidate) this.#addCandidate(call, candidate);
    const after = candidate ? this.#costAfter(call, candidate) : call.cost;
    if (call.cost === null || after === null) this.unpriced += 1;
    for (const sides of this.#sidesOf(call)) addCosts(sides, call.cost, after);
  }

  #addCandidate({ group }: CallOutcome, { target, fault, latencyMs }: CandidateOutcome): void {
    this.#countTarget(group, target, "candidate");
    if (fault) this.faults += 1;
    if (latencyMs === null) return;
    this.slower.calls += 1;
    this.slower.p50 += latencyMs.p50;
    this.slower.p95 += latencyMs.p95;
  }

  /** Cached tokens stay cached where the provider would have had them. */
  #costAfter(call: CallOutcome, candidate: CandidateOutcome): Amounts {
    const { conversation, hasCached } = call;
    const last = conversation === null ? undefined : this.#conversations.get(conversation);
    if (conversation !== null) {
      this.#conversations.set(conversation, { served: call.target, candidate: candidate.target });
    }
    return !hasCached || staysCached(call, candidate, last) ? candidate.cached : candidate.uncached;
  }

  #sidesOf({ group, caller }: CallOutcome): readonly Sides[] {
    return [
      this.total,
      this.groups.getOrInsertComputed(group, newSides),
      this.callers.getOrInsertComputed(caller, newSides),
    ];
  }

  #countTarget(group: string, target: string | null, side: "served" | "candidate"): void {
    const targets = this.targets.getOrInsertComputed(group, () => new Map());
    targets.getOrInsertComputed(target ?? "none", () => ({ served: 0, candidate: 0 }))[side] += 1;
  }
}

/**
 * A provider has what the conversation sent it last. As long as the candidate did what was done, what was
 * observed holds.
 */
function staysCached(
  { target }: CallOutcome,
  candidate: CandidateOutcome,
  last: Turn | undefined,
): boolean {
  const same = candidate.target === target;
  if (!last) return same;
  return last.candidate === candidate.target || (same && last.candidate === last.served);
}

/** What has no price on one side is left out of both. */
function addCosts({ served, candidate }: Sides, before: Amounts, after: Amounts): void {
  served.calls += 1;
  candidate.calls += 1;
  if (before === null || after === null) return;
  for (const name of COST_CLASSES) {
    served.nusd[name] += BigInt(before[name]);
    candidate.nusd[name] += BigInt(after[name]);
  }
}

function newSides(): Sides {
  return { served: newSide(), candidate: newSide() };
}

function newSide(): Side {
  return {
    calls: 0,
    nusd: { input: 0n, cached_input: 0n, cache_write: 0n, output: 0n, image: 0n },
  };
}
