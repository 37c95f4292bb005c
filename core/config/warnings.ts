import { limitsCost } from "../limits/limit.ts";
import { DAY_MS } from "../period.ts";
import { builtinOf } from "./check_providers.ts";
import { scopesCompiler } from "./compile_limits.ts";
import type { Finding } from "./diagnose.ts";
import type { Expansion } from "./expand.ts";
import type { CompileFacts } from "./parts.ts";
import type { Config } from "./schema.ts";
import type { TargetConfig } from "./schema_groups.ts";

const WEEK_MS = 7 * DAY_MS;

/** What is allowed and probably not meant. */
export function warnings(
  config: Config,
  facts: CompileFacts & Pick<Expansion, "unsetKeys">,
): readonly Finding[] {
  const keyless = keylessProviders(config, facts);
  const names = new Set(keyless.map(({ path }) => path[1]));
  return [
    ...longBaseUrls(config, facts),
    ...keyless,
    ...deadGroups(config, names),
    ...idleHedges(config, names),
    ...callerWarnings(config, facts.now),
    ...unpricedWarnings(config),
    ...isolationWarnings(config),
  ];
}

/** Base URLs that hold already what their dialect adds to them: a provider has no such path. */
function longBaseUrls({ providers }: Config, { dialects }: CompileFacts): readonly Finding[] {
  return Object.entries(providers).flatMap(([name, { base_url: baseUrl, dialect }]): Finding[] => {
    if (builtinOf(baseUrl) !== null) return [];
    const added = dialects.get(dialect).upstreamUrl("", "");
    const begun = [...added.matchAll(/(?!^)\/|$/g)].map(({ index }) => added.slice(0, index));
    const path = URL.parse(baseUrl)?.pathname.replace(/\/+$/, "") ?? "";
    const twice = begun.findLast((start) => path.endsWith(start));
    if (twice === undefined) return [];
    const message = `calls go to "${path}${added}": leave out "${twice}" at its end`;
    return [{ code: "conflict", path: ["providers", name, "base_url"], at: "value", message }];
  });
}

/** Providers that declare a key which is not there. */
function keylessProviders(
  config: Config,
  { unsetKeys, lookup }: CompileFacts & Pick<Expansion, "unsetKeys">,
): readonly Finding[] {
  return Object.entries(config.providers).flatMap(([name, provider]): Finding[] => {
    const { api_key: key, api_key_env: variable, auth_scheme: scheme } = provider;
    if (scheme === "none") return [];
    const rest = "its targets are not used";
    const unset = unsetKeys.find(({ path }) => path[1] === name);
    if (unset) {
      const message = `variable "${unset.variable}" is not set; ${rest}`;
      return [{ code: "unset-variable", path: unset.path, at: "value", message }];
    }
    if (key !== undefined) {
      if (key.trim() !== "") return [];
      const path = ["providers", name, "api_key"];
      return [{ code: "unusable", path, at: "value", message: `the key is empty; ${rest}` }];
    }
    if (variable === undefined || lookup(variable)) return [];
    const path = ["providers", name, "api_key_env"];
    const message = `variable "${variable}" is not set; ${rest}`;
    return [{ code: "unset-variable", path, at: "value", message }];
  });
}

function deadGroups(config: Config, keyless: ReadonlySet<unknown>): readonly Finding[] {
  return Object.entries(config.models).flatMap(([name, group]): Finding[] => {
    const enabled = group.targets.filter(({ enabled }) => enabled);
    if (enabled.some(({ provider }) => !keyless.has(provider))) return [];
    const message = "no target can be used: their providers have no key";
    return [{ code: "unusable", path: ["models", name], at: "key", message }];
  });
}

/** Groups that ask for a second target beside a slow one, and can never have one. */
function idleHedges(config: Config, keyless: ReadonlySet<unknown>): readonly Finding[] {
  return Object.entries(config.models).flatMap(([name, group]): Finding[] => {
    const usable = group.targets.filter(({ enabled, provider }) =>
      enabled && !keyless.has(provider)
    );
    const reason = usable.length < 2
      ? "the group has no second target that can be used"
      : group.retry.max_attempts === 1
      ? '"retry.max_attempts" is 1'
      : group.hedge.max_percent === 0
      ? '"max_percent" is 0'
      : null;
    if (!group.hedge.enabled || reason === null) return [];
    const message = `no call ever gets a hedge: ${reason}`;
    return [{ code: "unusable", path: ["models", name, "hedge"], at: "key", message }];
  });
}

function callerWarnings(config: Config, now: number): readonly Finding[] {
  if (config.callers.length === 0) {
    const message = 'no caller is configured; make one with "pointsman tokens generate"';
    return [{ code: "unusable", path: ["callers"], at: "key", message }];
  }
  return config.callers.flatMap(({ id, status, expires_at }, index): Finding[] => {
    const left = expires_at ? expires_at.getTime() - now : Infinity;
    if (status !== "active" || left > WEEK_MS) return [];
    const path = ["callers", index, "expires_at"];
    const message = left <= 0
      ? `caller "${id}" has expired`
      : `caller "${id}" expires in ${Math.ceil(left / DAY_MS)} days`;
    return [{ code: "unusable", path, at: "value", message }];
  });
}

/** Callers whose cost is limited, and groups of theirs with targets that cannot be priced. */
function unpricedWarnings(config: Config): readonly Finding[] {
  const unpriced = new Set(
    Object.entries(config.models).flatMap(([name, { targets }]) =>
      targets.some((target) => target.enabled && isUnpriced(config, target)) ? [name] : []
    ),
  );
  const compileScopes = scopesCompiler(config);

  return config.callers.flatMap((caller, index): Finding[] => {
    if (!compileScopes(caller).some(limitsCost)) return [];
    const groups = caller.allow.filter((group) => unpriced.has(group));
    if (groups.length === 0) return [];
    const message = `its cost is limited, so it never gets the unpriced targets of ${
      groups.map((group) => `"${group}"`).join(", ")
    }`;
    return [{ code: "unusable", path: ["callers", index], at: "key", message }];
  });
}

function isUnpriced(config: Config, target: TargetConfig): boolean {
  const provider = config.providers[target.provider];
  if (!provider || builtinOf(provider.base_url) !== null) return false;
  const catalog = provider.models[target.model_ref ?? ""];
  return (["input_price_per_million_usd", "output_price_per_million_usd"] as const)
    .some((key) => (target[key] ?? catalog?.[key]) === undefined);
}

/** Policies that can take the gateway down with them. */
function isolationWarnings({ server }: Config): readonly Finding[] {
  if (server.policies.isolation === "process") return [];
  const message =
    "policies run in the gateway's own process: one that exhausts the memory, or ends " +
    "near its deadline, ends the gateway";
  return [{
    code: "unusable",
    path: ["server", "policies", "isolation"],
    at: "value",
    message,
  }];
}
