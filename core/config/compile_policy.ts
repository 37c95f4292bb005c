import { parsePrivateGrant } from "../egress.ts";
import type { ExternalPolicySettings } from "../policy_settings.ts";
import type { ExternalPolicyConfig } from "./schema_policies.ts";

/** Turns a policy that another server holds into what asking it needs. */
export function compileExternalPolicy(config: ExternalPolicyConfig): ExternalPolicySettings {
  const { breaker } = config;
  return {
    kind: "external",
    url: config.url,
    egress: {
      allowHttp: config.allow_http,
      allowPrivate: config.allow_private.flatMap((grant) => parsePrivateGrant(grant) ?? []),
    },
    timeoutMs: config.timeout_ms,
    maxResponseBytes: config.max_response_bytes,
    headers: Object.fromEntries(
      Object.entries(config.headers).map(([name, value]) => [name.toLowerCase(), value]),
    ),
    breaker: {
      enabled: true,
      consecutiveFailures: breaker.consecutive_failures,
      errorRate: breaker.error_rate,
      minRequests: breaker.min_requests,
      windowMs: breaker.window_ms,
      openMs: breaker.open_ms,
      multiplier: 2,
      maxOpenMs: breaker.max_open_ms,
      accessOpenMs: breaker.open_ms,
      halfOpenProbes: 1,
    },
    verdictTtlMs: config.verdict_cache.ttl_ms,
  };
}

/** Its options as records and fingerprints may hold them: without its address and what it is shown. */
export function withoutAddress({ url: _, headers, ...rest }: ExternalPolicyConfig): unknown {
  return { ...rest, headers: Object.keys(headers) };
}
