import { type ErrorDetails, type ErrorType, GatewayError } from "../errors.ts";
import type { Account } from "./account.ts";
import { LIMIT_NAMES, type LimitKey, type ScopeLimits } from "./limit.ts";
import type { Moment } from "./moment.ts";

/** When a slot of concurrency may be free again is unknown, ms. */
const SLOT_WAIT_MS = 1_000;

/** A limit that has no room for what a call needs. */
export interface Refusal {
  readonly limits: ScopeLimits;
  readonly account: Account;
  readonly key: LimitKey;
  readonly needed: number;
}

/** What the caller is told: which limit of whom, and when to come again. */
export function refusalError(refusal: Refusal, at: Moment): GatewayError {
  const { limits, account, key, needed } = refusal;
  const max = limits.max[key];
  const waitMs = waitFor(refusal, at);
  const never = needed > max;
  const details = {
    scope: limits.kind,
    ...(isQuota(key) ? { limit_key: LIMIT_NAMES[key] } : {}),
    limit: shown(key, max),
    used: shown(key, account.taken(key, at)),
    needed: shown(key, needed),
    ...windowEnd(refusal, at),
    ...(never || waitMs === null ? {} : { retry_after_ms: waitMs }),
    ...(never ? { never_fits: true, retryable: false } : {}),
  } satisfies ErrorDetails;
  const whose = limits.kind === "caller" ? "the key" : `${limits.kind} "${limits.name}"`;
  const why = never ? `it needs more than the ${WORDS[key]}` : `the ${WORDS[key]}`;
  const verb = never ? "allows at all" : "is used up";
  return new GatewayError(
    typeOf(key),
    `Cannot admit the call: ${why} of ${whose} ${verb}`,
    details,
  );
}

/** What the caller is told while nobody can tell how its limits stand. */
export function storeUnavailable(): GatewayError {
  return new GatewayError(
    "quota-store-unavailable",
    "Cannot admit the call: the store of its limits is out of reach",
    { retry_after_ms: 1_000 },
  );
}

const WORDS: Readonly<Record<LimitKey, string>> = {
  "rpm": "limit of calls per minute",
  "day.requests": "daily quota of calls",
  "month.requests": "monthly quota of calls",
  "tpm": "limit of tokens per minute",
  "day.tokens": "daily quota of tokens",
  "month.tokens": "monthly quota of tokens",
  "lifetime.tokens": "lifetime quota of tokens",
  "concurrent": "limit of calls at a time",
  "day.cost": "daily budget",
  "month.cost": "monthly budget",
};

function typeOf(key: LimitKey): ErrorType {
  switch (key) {
    case "rpm":
      return "rpm-exceeded";
    case "tpm":
      return "tpm-exceeded";
    case "concurrent":
      return "concurrency-exceeded";
    case "lifetime.tokens":
      return "key-exhausted";
    default:
      return "quota-exhausted";
  }
}

const periodOf = (key: LimitKey) => key.startsWith("day.") ? "day" : "month";
const isQuota = (key: LimitKey) => typeOf(key) === "quota-exhausted";
const isCost = (key: LimitKey) => key.endsWith(".cost");

/** Money is told in USD. */
function shown(key: LimitKey, units: number): number {
  return isCost(key) ? units / 1e9 : units;
}

/** ms until there may be room; `null` when waiting does not help. */
function waitFor({ limits, account, key, needed }: Refusal, at: Moment): number | null {
  if (key === "rpm" || key === "tpm") {
    return Math.max(1, Math.ceil(account.waitMs(key, needed, { limit: limits.max[key], at })));
  }
  if (key === "concurrent") return SLOT_WAIT_MS;
  if (key === "lifetime.tokens") return null;
  return account.period(periodOf(key), at).end - at.wall;
}

function windowEnd({ account, key }: Refusal, at: Moment): ErrorDetails {
  if (key === "rpm" || key === "tpm" || key === "concurrent" || key === "lifetime.tokens") {
    return {};
  }
  return { window_end: new Date(account.period(periodOf(key), at).end).toISOString() };
}
