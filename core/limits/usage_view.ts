import type { JsonObject } from "../json.ts";
import type { PeriodName } from "../period.ts";
import type { LimitKey } from "./limit.ts";
import type { Moment } from "./moment.ts";
import type { Scope } from "./standing.ts";

/** How all limits of a scope stand, as `/v1/usage` tells it: `null` is "no limit"; money in USD. */
export function limitsView(scope: Scope, at: Moment): JsonObject {
  const { account } = scope;
  return {
    rate: {
      rpm: { ...counted(scope, "rpm", at), reset_ms: Math.ceil(account.emptyMs("rpm", at)) },
      tpm: { ...reserving(scope, "tpm", at), reset_ms: Math.ceil(account.emptyMs("tpm", at)) },
      concurrent: counted(scope, "concurrent", at),
    },
    quota: {
      day: periodView(scope, "day", at),
      month: periodView(scope, "month", at),
      lifetime: { tokens: reserving(scope, "lifetime.tokens", at) },
    },
  };
}

function periodView(scope: Scope, name: PeriodName, at: Moment): JsonObject {
  const { start, end } = scope.account.period(name, at);
  return {
    start: second(start),
    end: second(end),
    requests: counted(scope, `${name}.requests`, at),
    tokens: reserving(scope, `${name}.tokens`, at),
    cost_usd: reserving(scope, `${name}.cost`, at, 1e9),
  };
}

/** What a call counts for at once. */
function counted({ limits, account }: Scope, key: LimitKey, at: Moment): JsonObject {
  const used = account.taken(key, at);
  const limit = limits.max[key] || null;
  return { limit, used, remaining: limit === null ? null : Math.max(0, limit - used) };
}

/** What is reserved first and settled later; `unit` is what one shown unit holds. */
function reserving({ limits, account }: Scope, key: LimitKey, at: Moment, unit = 1): JsonObject {
  const taken = account.taken(key, at);
  const reserved = account.reserved(key, at);
  const limit = limits.max[key] || null;
  return {
    limit: limit === null ? null : limit / unit,
    used: (taken - reserved) / unit,
    reserved: reserved / unit,
    remaining: limit === null ? null : Math.max(0, limit - taken) / unit,
  };
}

/** RFC 3339 without fractions. */
function second(time: number): string {
  return new Date(time).toISOString().replace(".000Z", "Z");
}
