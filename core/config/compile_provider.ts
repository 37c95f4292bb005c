import type { Provider } from "../snapshot.ts";
import { compileUpstreamShape } from "./compile_shapes.ts";
import type { CompileFacts } from "./parts.ts";
import type { ProviderConfig } from "./schema_models.ts";

/** Turns a provider as written into one that calls can use. */
export function compileProvider(
  name: string,
  config: ProviderConfig,
  facts: CompileFacts,
): Provider {
  const key = keyOf(config, facts);
  const scheme = config.auth_scheme ?? facts.dialects.get(config.dialect).authScheme;
  return {
    name,
    baseUrl: config.base_url.replace(/\/+$/, ""),
    dialect: config.dialect,
    credential: key ? credential(scheme, key) : null,
    credentialMissing: scheme !== "none" && key === "",
    keyId: config.key_id ?? "",
    trafficShapes: compileUpstreamShape("provider", name, config.traffic_shape),
    headers: Object.fromEntries(
      Object.entries(config.headers).map(([header, value]) => [header.toLowerCase(), value]),
    ),
  };
}

/** The key of a provider; empty when declared and not there, `null` when not declared. */
function keyOf(config: ProviderConfig, { lookup }: CompileFacts): string | null {
  if (config.api_key !== undefined) return config.api_key.trim();
  return config.api_key_env === undefined ? null : (lookup(config.api_key_env) ?? "").trim();
}

function credential(
  scheme: "bearer" | "x-api-key" | "none",
  key: string,
): readonly [string, string] | null {
  switch (scheme) {
    case "bearer":
      return ["authorization", `Bearer ${key}`];
    case "x-api-key":
      return ["x-api-key", key];
    case "none":
      return null;
  }
}
