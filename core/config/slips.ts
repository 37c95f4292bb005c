import { DIALECTS_BY_API } from "../dialect_name.ts";
import type { ConfigPath } from "./problem.ts";

/** What an unknown key is usually meant to be; `null` when nothing is known of it. */
export function slipOfKey(path: ConfigPath): string | null {
  const key = path.at(-1);
  if (typeof key !== "string") return null;
  if (path[0] === "callers" && key === "user") return 'unknown key; use "owner_user"';
  if (path[0] === "models" && path.length > 3 && key === "affinity") {
    return 'unknown key; "affinity" stands in the group itself';
  }
  return KEYS.get(key) ?? null;
}

/** What a word is usually meant to be, where an enum does not have it. */
export function slipOfValue(path: ConfigPath, value: string): string | null {
  if (path.at(-1) === "strategy") return STRATEGIES.get(value) ?? null;
  const dialect = DIALECTS_BY_API.get(value);
  return dialect ? `dialects are written with hyphens: "${dialect}"` : null;
}

const bridges = 'unknown key; use "inbound_dialects" and "tool_support.<dialect>"';

const KEYS: ReadonlyMap<string, string> = new Map([
  ["bridges", bridges],
  ["responses_to_chat", bridges],
  ["supported_inbound_dialects", bridges],
  ...[...DIALECTS_BY_API].map(([wrong, right]) =>
    [wrong, `unknown key; dialects are written with hyphens: "${right}"`] as const
  ),
]);

const policy = 'there is no such strategy; write a policy ("script") or use "dynamic_score"';

const STRATEGIES: ReadonlyMap<string, string> = new Map([
  ["semantic", policy],
  ["intelligent", policy],
]);
