import type { Json, JsonObject } from "../json.ts";
import { DAY_MS } from "../period.ts";
import type { Finding } from "./diagnose.ts";
import type { CheckFacts } from "./parts.ts";
import { type ConfigPath, pathText } from "./problem.ts";
import { suggest } from "./suggest.ts";
import { entriesOf, itemsOf, member, textOf } from "./view.ts";

/** Groups callers may use, and tokens that belong to one caller only. */
export function* checkCallers(root: Json, { now }: CheckFacts): Iterable<Finding> {
  const callers = itemsOf(member(root, "callers"));
  const groups = entriesOf(member(root, "models")).map(([name]) => name);
  for (const [index, caller] of callers) {
    yield* checkAllow(caller, index, groups);
    for (const [at, token] of itemsOf(caller["previous_tokens"])) {
      const until = Date.parse(textOf(token["valid_until"]) ?? "");
      if (!(until > now + 30 * DAY_MS)) continue;
      const path = ["callers", index, "previous_tokens", at, "valid_until"];
      const message = "expected a time at most 30 days ahead";
      yield { code: "out-of-range", path, at: "value", message };
    }
  }
  yield* sharedTokens(callers);
}

function* checkAllow(
  caller: JsonObject,
  index: number,
  groups: readonly string[],
): Iterable<Finding> {
  const allow = caller["allow"];
  for (const [at, group] of Array.isArray(allow) ? allow.entries() : []) {
    if (typeof group !== "string" || groups.includes(group)) continue;
    const path = ["callers", index, "allow", at];
    const message = `no group is named "${group}"`;
    const suggestion = suggest(group, groups);
    yield { code: "unknown-reference", path, at: "value", message, suggestion };
  }
}

/** Tokens and token ids that occur twice; hashes are not shown, so the caller is named. */
function* sharedTokens(callers: readonly (readonly [number, JsonObject])[]): Iterable<Finding> {
  const seen = new Map<string, string>();
  for (const [index, caller] of callers) {
    const owner = textOf(caller["id"]) ?? pathText(["callers", index]);
    const entries: [ConfigPath, JsonObject][] = [[["callers", index], caller]];
    for (const [at, token] of itemsOf(caller["previous_tokens"])) {
      entries.push([["callers", index, "previous_tokens", at], token]);
    }
    for (const [path, entry] of entries) {
      for (const key of ["token_sha256", "token_id"] as const) {
        const value = textOf(entry[key]);
        if (value === null) continue;
        const known = `${key} ${key === "token_sha256" ? value.toLowerCase() : value}`;
        const other = seen.get(known);
        if (other === undefined) seen.set(known, owner);
        else {
          const message = `caller "${other}" already has this ${NOUN[key]}`;
          yield { code: "duplicate", path: [...path, key], at: "value", message };
        }
      }
    }
  }
}

const NOUN = { token_sha256: "token", token_id: "token id" } as const;
