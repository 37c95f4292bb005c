/** Everything that can be limited, in the order in which limits are looked at. */
export const LIMIT_KEYS = [
  "rpm",
  "day.requests",
  "month.requests",
  "tpm",
  "day.tokens",
  "month.tokens",
  "lifetime.tokens",
  "concurrent",
  "day.cost",
  "month.cost",
] as const;

/** Name of a limit: calls, tokens or nano-USD, by the window in which they count. */
export type LimitKey = typeof LIMIT_KEYS[number];

/** Its place in `LIMIT_KEYS`: numbers of limits lie in this order. */
export function placeOf(key: LimitKey): number {
  // Several times as fast as a look into an object, which every unit of a call would need.
  switch (key) {
    case "rpm":
      return 0;
    case "day.requests":
      return 1;
    case "month.requests":
      return 2;
    case "tpm":
      return 3;
    case "day.tokens":
      return 4;
    case "month.tokens":
      return 5;
    case "lifetime.tokens":
      return 6;
    case "concurrent":
      return 7;
    case "day.cost":
      return 8;
    case "month.cost":
      return 9;
  }
}

/** Each limit as it is configured. */
export const LIMIT_NAMES: Readonly<Record<LimitKey, string>> = {
  "rpm": "rate.rpm",
  "day.requests": "quota.day.requests",
  "month.requests": "quota.month.requests",
  "tpm": "rate.tpm",
  "day.tokens": "quota.day.tokens",
  "month.tokens": "quota.month.tokens",
  "lifetime.tokens": "key.lifetime_tokens",
  "concurrent": "rate.concurrent",
  "day.cost": "quota.day.cost_usd",
  "month.cost": "quota.month.cost_usd",
};

/** Units that a call needs under some limits: all of them or none. */
export type Need = readonly (readonly [LimitKey, number])[];

/** The units needed under a limit. */
export function unitsOf(need: Need, key: LimitKey): number {
  return need.reduce((sum, [name, units]) => name === key ? sum + units : sum, 0);
}

/** Largest amount that is counted exactly, nano-USD: about 9 million USD. */
export const MAX_NUSD = Number.MAX_SAFE_INTEGER;

/** Whom a limit belongs to; the limits of a project or a user are shared by all its callers. */
export type ScopeKind = "caller" | "project" | "user";

/** The limits of one caller, project or user. */
export interface ScopeLimits {
  readonly kind: ScopeKind;
  /** Id of the caller, project or user. */
  readonly name: string;
  /** Key of its counters: `caller:ci`. Unique. */
  readonly id: string;
  /** Units; 0: no limit. Cost in nano-USD. */
  readonly max: Readonly<Record<LimitKey, number>>;
  /** Share of a day or month limit from which `quota_state` is `warning`, per cent. */
  readonly quotaSoftPct: number;
  /** The same for lifetime tokens and `key_state`. */
  readonly keySoftPct: number;
  /** `warn`: lifetime tokens are counted and never refuse. */
  readonly onExhaust: "disable" | "warn";
}

/** Whether any limit is set. */
export function isLimited({ max }: ScopeLimits): boolean {
  return LIMIT_KEYS.some((key) => max[key] > 0);
}

/** Whether what calls cost is limited. */
export function limitsCost({ max }: ScopeLimits): boolean {
  return max["day.cost"] > 0 || max["month.cost"] > 0;
}
