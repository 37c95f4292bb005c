import type { Finding } from "./diagnose.ts";
import type { Expansion } from "./expand.ts";
import type { CompileFacts } from "./parts.ts";
import type { Config } from "./schema.ts";

const WEEK = 7 * 86_400_000;

/** What is allowed and probably not meant. */
export function warnings(
  config: Config,
  facts: CompileFacts & Pick<Expansion, "unsetKeys">,
): readonly Finding[] {
  const keyless = keylessProviders(config, facts);
  const names = new Set(keyless.map(({ path }) => path[1]));
  return [...keyless, ...deadGroups(config, names), ...callerWarnings(config, facts.now)];
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

function callerWarnings(config: Config, now: number): readonly Finding[] {
  if (config.callers.length === 0) {
    const message = 'no caller is configured; make one with "pointsman tokens generate"';
    return [{ code: "unusable", path: ["callers"], at: "key", message }];
  }
  return config.callers.flatMap(({ id, status, expires_at }, index): Finding[] => {
    const left = expires_at ? expires_at.getTime() - now : Infinity;
    if (status !== "active" || left > WEEK) return [];
    const path = ["callers", index, "expires_at"];
    const message = left <= 0
      ? `caller "${id}" has expired`
      : `caller "${id}" expires in ${Math.ceil(left / 86_400_000)} days`;
    return [{ code: "unusable", path, at: "value", message }];
  });
}
