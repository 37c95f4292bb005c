import { parsePrivateGrant } from "../egress.ts";
import type { ExternalPolicySettings, FeedbackSettings } from "../policy_settings.ts";
import type { ExternalPolicyConfig } from "./schema_policies.ts";

/** Turns a policy that another server holds into what asking it needs. */
export function compileExternalPolicy(config: ExternalPolicyConfig): ExternalPolicySettings {
  const { breaker } = config;
  const shared = {
    egress: {
      allowHttp: config.allow_http,
      allowPrivate: config.allow_private.flatMap((grant) => parsePrivateGrant(grant) ?? []),
    },
    headers: Object.fromEntries(
      Object.entries(config.headers).map(([name, value]) => [name.toLowerCase(), value]),
    ),
  };
  return {
    kind: "external",
    url: config.url,
    ...shared,
    timeoutMs: config.timeout_ms,
    maxResponseBytes: config.max_response_bytes,
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
    includeRequest: config.include_request,
    verdictTtlMs: config.verdict_cache.ttl_ms,
    feedback: feedbackOf(config, shared),
  };
}

function feedbackOf(
  { url, feedback }: ExternalPolicyConfig,
  shared: Pick<FeedbackSettings, "egress" | "headers">,
): FeedbackSettings | null {
  if (!feedback.enabled) return null;
  return {
    ...shared,
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
export function withoutAddress(config: ExternalPolicyConfig): unknown {
  const { url: _, headers, feedback: { url: __, ...feedback }, ...rest } = config;
  return { ...rest, headers: Object.keys(headers), feedback };
}
