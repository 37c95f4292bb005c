import type { Account } from "./account.ts";
import type { LimitKey, ScopeLimits } from "./limit.ts";
import type { Moment } from "./moment.ts";

/** Limits and the counters they hold for. */
export interface Scope {
  readonly limits: ScopeLimits;
  readonly account: Account;
}

/** How a rolling limit stands: of several that hold, the one with the least left. */
export interface WindowStanding {
  readonly limit: number;
  readonly remaining: number;
  /** Until the window is empty, ms. */
  readonly emptyMs: number;
}

/** What a caller is told of its rate limits; `null` where none is set. */
export interface RateStanding {
  readonly requests: WindowStanding | null;
  readonly tokens: WindowStanding | null;
  /** Epoch ms. */
  readonly now: number;
}

/** How far the limits of a call are used up: fractions, `null` without a limit. */
export interface Budget {
  readonly day: number | null;
  readonly month: number | null;
  /** The largest, 0 without limits. */
  readonly pressure: number;
}

/** How quotas or a key stand. */
export type LimitState = "ok" | "warning" | "exhausted";

/** The rate limits a caller is told of. */
export function rateStanding(scopes: readonly Scope[], at: Moment): RateStanding {
  return {
    requests: tightest(scopes, "rpm", at),
    tokens: tightest(scopes, "tpm", at),
    now: at.wall,
  };
}

function tightest(
  scopes: readonly Scope[],
  key: "rpm" | "tpm",
  at: Moment,
): WindowStanding | null {
  let found: WindowStanding | null = null;
  for (const { limits, account } of scopes) {
    const limit = limits.max[key];
    if (limit === 0) continue;
    const remaining = Math.max(0, limit - account.taken(key, at));
    if (found === null || remaining < found.remaining) {
      found = { limit, remaining, emptyMs: account.emptyMs(key, at) };
    }
  }
  return found;
}

/** (used + reserved) / limit of tokens and cost, the largest of all scopes. */
export function budgetOf(scopes: readonly Scope[], at: Moment): Budget {
  const day = share(scopes, ["day.tokens", "day.cost"], at);
  const month = share(scopes, ["month.tokens", "month.cost"], at);
  return { day, month, pressure: Math.max(day ?? 0, month ?? 0) };
}

function share(scopes: readonly Scope[], keys: readonly LimitKey[], at: Moment): number | null {
  let largest: number | null = null;
  for (const { limits, account } of scopes) {
    for (const key of keys) {
      if (limits.max[key] === 0) continue;
      largest = Math.max(largest ?? 0, account.taken(key, at) / limits.max[key]);
    }
  }
  return largest;
}

const QUOTAS: readonly LimitKey[] = [
  "day.requests",
  "month.requests",
  "day.tokens",
  "month.tokens",
  "day.cost",
  "month.cost",
];

/** The worst of all day and month limits. */
export function quotaState(scopes: readonly Scope[], at: Moment): LimitState {
  let worst: LimitState = "ok";
  for (const scope of scopes) {
    for (const key of QUOTAS) {
      const state = stateOf(scope, key, scope.limits.quotaSoftPct, at);
      if (state === "exhausted") return state;
      if (state === "warning") worst = state;
    }
  }
  return worst;
}

/** How the lifetime tokens of the caller itself stand. */
export function keyState(scopes: readonly Scope[], at: Moment): LimitState {
  const [own] = scopes;
  return own ? stateOf(own, "lifetime.tokens", own.limits.keySoftPct, at) : "ok";
}

function stateOf(
  { limits, account }: Scope,
  key: LimitKey,
  softPct: number,
  at: Moment,
): LimitState {
  const max = limits.max[key];
  if (max === 0) return "ok";
  const taken = account.taken(key, at);
  if (taken >= max) return "exhausted";
  return taken * 100 >= max * softPct ? "warning" : "ok";
}
