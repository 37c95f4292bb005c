import { canonicalJson } from "../../core/config/canonical.ts";
import { COST_CLASSES, type CostClass, type RecordFilter } from "../../core/decision_store.ts";
import type { ReplayAccount, Side, Sides } from "./account.ts";
import type { Replay } from "./run_replay.ts";

/** How rows of a report are made. */
export const BREAKDOWNS = ["group", "caller", "class", "target"] as const;
export type Breakdown = typeof BREAKDOWNS[number];

/** What a report is about. */
export interface ReplaySubject {
  readonly filter: RecordFilter;
  /** Name of the candidate; `null`: there is none. */
  readonly candidate: string | null;
}

/** A replay as one line of JSON: sorted keys, exact integers, and no clock. */
export function replayJson(replay: Replay, { filter, candidate }: ReplaySubject): string {
  const { records, verdicts, differences, damaged, undecided, account } = replay;
  const { total, calls, faults, unpriced } = account;
  return canonicalJson({
    version: 1,
    group: filter.group,
    since: filter.since,
    until: filter.until === Number.MAX_SAFE_INTEGER ? null : filter.until,
    policy: candidate,
    proof: { records, ...verdicts, differences, damaged },
    calls,
    faults,
    unpriced,
    needsContent: undecided.needsContent,
    remote: undecided.remote,
    total: sidesJson(total),
    latencyMs: latencyOf(account),
    groups: rowsJson(account.groups),
    callers: rowsJson(account.callers),
    targets: targetRows(account),
  });
}

function rowsJson(rows: ReadonlyMap<string, Sides>): object {
  return Object.fromEntries([...rows].map(([name, sides]) => [name, sidesJson(sides)]));
}

/** Nano-USD; exact up to nine million USD. */
function sidesJson({ served, candidate }: Sides): object {
  const delta = {
    calls: 0,
    nusd: byClass((name) => candidate.nusd[name] - served.nusd[name]),
  };
  const amounts = (side: Side) => ({
    ...byClass((name) => Number(side.nusd[name])),
    total: Number(sumOf(side)),
  });
  return {
    calls: served.calls,
    served: amounts(served),
    candidate: amounts(candidate),
    delta: amounts(delta),
  };
}

function byClass<Value>(valueOf: (name: CostClass) => Value): Record<CostClass, Value> {
  return {
    input: valueOf("input"),
    cached_input: valueOf("cached_input"),
    cache_write: valueOf("cache_write"),
    output: valueOf("output"),
    image: valueOf("image"),
  };
}

/** Nano-USD of all classes. */
export function sumOf({ nusd }: Side): bigint {
  return COST_CLASSES.reduce((sum, name) => sum + nusd[name], 0n);
}

/** Latencies of the calls, and of the candidate as far as its targets were observed; whole ms. */
export function latencyOf({ latencies, slower, calls }: ReplayAccount) {
  const served = {
    p50: percentile(latencies, calls, 0.5),
    p95: percentile(latencies, calls, 0.95),
  };
  const mean = (sum: number) => slower.calls === 0 ? 0 : Math.round(sum / slower.calls);
  return {
    served,
    modelled: {
      calls: slower.calls,
      p50: Math.max(0, served.p50 + mean(slower.p50)),
      p95: Math.max(0, served.p95 + mean(slower.p95)),
    },
  };
}

/** Nearest rank; 0 of nothing. */
function percentile(counts: ReadonlyMap<number, number>, all: number, share: number): number {
  const rank = Math.ceil(share * all);
  let seen = 0;
  for (const [value, count] of [...counts].sort(([a], [b]) => a - b)) {
    seen += count;
    if (seen >= rank) return value;
  }
  return 0;
}

/** How often each target served, and would have; by group and id. */
export function targetRows({ targets }: ReplayAccount) {
  return [...targets].sort(byName).flatMap(([group, counts]) =>
    [...counts].sort(byName).map(([target, { served, candidate }]) => ({
      group,
      target,
      served,
      candidate,
    }))
  );
}

/** Sorted by name. */
export function byName([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number {
  return a < b ? -1 : 1;
}
