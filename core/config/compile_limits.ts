import { isLimited, type ScopeKind, type ScopeLimits } from "../limits/limit.ts";
import type { CallerConfig } from "./schema_accounts.ts";
import type { Config } from "./schema.ts";
import type { KeyConfig, QuotaConfig, RateConfig } from "./schema_limits.ts";

/** Whose limits a call of this caller must respect: its own, and those it shares. */
export function compileScopes(
  caller: CallerConfig,
  { projects, users }: Pick<Config, "projects" | "users">,
): readonly ScopeLimits[] {
  const shared = (kind: ScopeKind, accounts: readonly LimitedAccount[], id: string) =>
    accounts.filter((account) => account.id === id)
      .map((account) => scopeLimits(kind, account)).filter(isLimited);
  return [
    scopeLimits("caller", caller),
    ...shared("project", projects, caller.project),
    ...shared("user", users, caller.owner_user),
  ];
}

interface LimitedAccount {
  readonly id: string;
  readonly rate: RateConfig;
  readonly quota: QuotaConfig;
  readonly key?: KeyConfig;
}

function scopeLimits(
  kind: ScopeKind,
  { id, rate, quota, key }: LimitedAccount,
): ScopeLimits {
  const { day, month } = quota;
  return {
    kind,
    name: id,
    id: `${kind}:${id}`,
    max: {
      "rpm": rate.rpm,
      "day.requests": day.requests,
      "month.requests": month.requests,
      "tpm": rate.tpm,
      "day.tokens": day.tokens,
      "month.tokens": month.tokens,
      "lifetime.tokens": key?.lifetime_tokens ?? 0,
      "concurrent": rate.concurrent,
      "day.cost": Number(day.cost_usd),
      "month.cost": Number(month.cost_usd),
    },
    quotaSoftPct: quota.soft_pct,
    keySoftPct: key?.soft_pct ?? 100,
    onExhaust: key?.on_exhaust ?? "disable",
  };
}
