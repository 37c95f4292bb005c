import type { ExternalPolicySettings } from "../policy_settings.ts";
import type { ExternalPolicyConfig } from "./schema_policies.ts";

/** Turns a policy that another server holds into what asking it needs. */
export function compileExternalPolicy(config: ExternalPolicyConfig): ExternalPolicySettings {
  const { breaker } = config;
  return {
    kind: "external",
    url: config.url,
    egress: { allowHttp: config.allow_http, allowPrivate: config.allow_private },
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
    feedback: feedbackOf(config),
  };
}

function feedbackOf({ url, feedback }: ExternalPolicyConfig): ExternalPolicySettings["feedback"] {
  if (!feedback.enabled) return null;
  return {
    url: feedback.url ?? new URL("feedback", url).href,
    timeoutMs: feedback.timeout_ms,
    maxRetries: feedback.max_retries,
    retryBackoffMs: feedback.retry_backoff_ms,
    maxLineBytes: feedback.max_request_bytes,
    logsFailure: feedback.on_delivery_failure === "log",
    spoolBytes: feedback.spool.max_bytes,
    maxAgeMs: feedback.spool.max_age_ms,
  };
}

/** Its options as records and fingerprints may hold them: without its address and what it is shown. */
export function withoutAddress(
  { url: _, headers, feedback, ...rest }: ExternalPolicyConfig,
): unknown {
  const { url: __, ...told } = feedback;
  return { ...rest, headers: Object.keys(headers), feedback: told };
}
