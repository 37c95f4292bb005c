import type { Json } from "../json.ts";
import { checkHeaders } from "./check_headers.ts";
import type { Finding } from "./diagnose.ts";
import type { CheckFacts } from "./parts.ts";
import type { ConfigPath } from "./problem.ts";
import { suggest } from "./suggest.ts";
import { entriesOf, member, textOf } from "./view.ts";

/** Base URLs, static headers, models of in-process upstreams and dialects that need a bridge. */
export function* checkProviders(root: Json, facts: CheckFacts): Iterable<Finding> {
  for (const [name, provider] of entriesOf(member(root, "providers"))) {
    const path = ["providers", name];
    const baseUrl = textOf(member(provider, "base_url"));
    if (baseUrl !== null && baseUrl !== "") yield* checkBaseUrl(baseUrl, path, facts);
    yield* checkKey(provider, path, facts);
    yield* checkHeaders(member(provider, "headers"), [...path, "headers"]);
    for (const [ref, model] of entriesOf(member(provider, "models"))) {
      const modelPath = [...path, "models", ref];
      yield* checkModelName(provider, textOf(member(model, "model")), modelPath, facts);
    }
  }
}

/** Reports a key that no header could carry, without showing it. */
function* checkKey(provider: Json, path: ConfigPath, { lookup }: CheckFacts): Iterable<Finding> {
  const variable = textOf(member(provider, "api_key_env"));
  const [key, value] = member(provider, "api_key") === undefined && variable !== null
    ? ["api_key_env", lookup(variable) ?? ""] as const
    : ["api_key", textOf(member(provider, "api_key")) ?? ""] as const;
  if (/^[\x21-\x7e]*$/.test(value.trim())) return;
  const message = "the key holds other characters than visible ASCII";
  yield { code: "bad-format", path: [...path, key], at: "value", message };
}

function* checkBaseUrl(
  baseUrl: string,
  parent: ConfigPath,
  { builtins }: CheckFacts,
): Iterable<Finding> {
  const path = [...parent, "base_url"];
  const builtin = builtinOf(baseUrl);
  if (builtin !== null) {
    if (builtins.has(builtin)) return;
    const suggestion = suggest(baseUrl, builtins.names.map((name) => `builtin:${name}`));
    const message = `no builtin upstream is named "${builtin}"`;
    yield { code: "unknown-reference", path, at: "value", message, suggestion };
    return;
  }
  const url = URL.parse(baseUrl);
  const fine = url && /^https?:$/.test(url.protocol) && !url.username && !url.password &&
    !/[?#]/.test(baseUrl);
  if (fine) return;
  const message = 'expected an http(s) URL without user, query and fragment, or "builtin:echo"';
  yield { code: "bad-format", path, at: "value", message };
}

/** Reports a model that an in-process upstream does not serve. */
export function* checkModelName(
  provider: Json | undefined,
  model: string | null,
  parent: ConfigPath,
  { builtins }: CheckFacts,
): Iterable<Finding> {
  const builtin = builtinOf(textOf(member(provider, "base_url")) ?? "");
  if (builtin === null || !builtins.has(builtin) || model === null) return;
  if (builtins.get(builtin).serves(model)) return;
  const message = `builtin:${builtin} has no model "${model}"`;
  yield { code: "unknown-reference", path: [...parent, "model"], at: "value", message };
}

/** Name of the in-process upstream of a base URL, or `null`. */
export function builtinOf(baseUrl: string): string | null {
  return baseUrl.startsWith("builtin:") ? baseUrl.slice("builtin:".length) : null;
}
