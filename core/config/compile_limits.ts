import { isLimited, type ScopeKind, type ScopeLimits } from "../limits/limit.ts";
import type { CallerConfig } from "./schema_accounts.ts";
import type { Config } from "./schema.ts";
import { sharedParts } from "./shared_parts.ts";
import type { KeyConfig, QuotaConfig, RateConfig } from "./schema_limits.ts";

/** Compiles whose limits a call of a caller must respect: its own, and those it shares. */
export function scopesCompiler(
  { projects, users }: Pick<Config, "projects" | "users">,
): (caller: CallerConfig) => readonly ScopeLimits[] {
  const sharedMax = sharedParts<ScopeLimits["max"]>();
  const scopeOf = (kind: ScopeKind, account: LimitedAccount): ScopeLimits => {
    const scope = scopeLimits(kind, account);
    return { ...scope, max: sharedMax(scope.max, () => scope.max) };
  };
  const shared = (kind: ScopeKind, accounts: readonly LimitedAccount[]) =>
    new Map(
      accounts.map((account) => [account.id, scopeOf(kind, account)] as const)
        .filter(([, scope]) => isLimited(scope)),
    );
  const ofProjects = shared("project", projects);
  const ofUsers = shared("user", users);
  return (caller) => {
    const scopes = [ofProjects.get(caller.project), ofUsers.get(caller.owner_user)];
    return [scopeOf("caller", caller), ...scopes.filter((scope) => scope !== undefined)];
  };
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
