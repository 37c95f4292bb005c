import { type Attempt, type Call, decidingAttempt, isFallback } from "./call.ts";
import { type ErrorDetails, GatewayError } from "./errors.ts";
import { contextExceeded } from "./no_target.ts";
import { shapeBuckets } from "./request_shape.ts";
import type { Target } from "./snapshot.ts";
import { UPSTREAM_CLASSES, type UpstreamClass, type UpstreamError } from "./upstream_error.ts";

/** What the provider did, by class. */
const WORDS: Readonly<Record<UpstreamClass, string>> = {
  upstream_timeout: "took too long",
  upstream_network: "cannot be reached, or broke off",
  upstream_overloaded: "failed",
  upstream_bad_response: "gave an answer that is no reply of its dialect",
  empty_stream: "gave an empty answer",
  upstream_rate_limited: "limits our rate",
  upstream_quota_exhausted: "says that our quota is exhausted",
  upstream_auth_failed: "refuses our key",
  upstream_access_denied: "denies access to the model, or does not have it",
  upstream_context_length: "takes no prompt as long as this",
  upstream_reasoning_rejected: "refused the request",
  upstream_bad_request: "refused the request",
  upstream_request_too_large: "refused the request",
  upstream_status: "refused the request",
};

/** What the caller is told about the failure that ended its call. */
export function upstreamFailure(call: Call, error: UpstreamError): GatewayError {
  const { group, features } = call;
  const attempt = decidingAttempt(call);
  if (error.class === "upstream_context_length" && group && features) {
    return contextExceeded(group, error.tokens ?? features.estimatedInputTokens);
  }
  const type = errorType(call, error);
  const told = attempt?.told ?? [];
  const message = `Cannot finish the call: the provider ${WORDS[error.class]}${about(told)}`;
  return new GatewayError(type, message, {
    ...failureFacts(call, {
      target: attempt?.target,
      error_class: error.class,
      upstream_status: error.status,
      reason_code: error.code,
      reason: told.find(({ name }) => name === "provider_message")?.value ?? null,
    }),
    ...(type === "upstream-timeout" ? { deadline: deadlineOf(call, attempt) } : {}),
    ...(error.retryAfterMs === null ? {} : { retry_after_ms: error.retryAfterMs }),
    ...(isAtFault(error) ? { retryable: false } : {}),
  });
}

/** What a failure on the side of the providers was; what is not known of it is told as `null`. */
interface Failing {
  /** The target that decided. */
  readonly target?: Target | undefined;
  readonly error_class?: string | null;
  readonly upstream_status?: number | null;
  readonly reason_code?: string | null;
  readonly reason?: string | null;
}

const UNKNOWN = { error_class: null, upstream_status: null, reason_code: null, reason: null };

/** What a caller is told of every failure on the side of the providers. */
export function failureFacts(call: Call, { target, ...failing }: Failing = {}): ErrorDetails {
  const { features, wireFeatures, snapshot: { server } } = call;
  return {
    model: call.group?.name ?? null,
    dialect: call.dialect.name,
    ...(target && server.exposeRouteHeaders ? { target_dialect: target.dialect } : {}),
    attempts: call.attempts.length,
    ...UNKNOWN,
    ...failing,
    fallback_used: call.attempts.some((attempt) => isFallback(call, attempt)),
    ...(features && wireFeatures ? shapeBuckets(features, wireFeatures.shape) : {}),
  };
}

/** The provider's code and the member that it names, where they are known words. */
function about(told: Attempt["told"]): string {
  const words = told
    .filter(({ name, value }) => (name === "code" || name === "param") && value !== "other")
    .map(({ value }) => value);
  return words.length === 0 ? "" : ` (${words.join(": ")})`;
}

/** Whether the request itself is what the provider refused. */
function isAtFault(error: UpstreamError): boolean {
  const { next } = UPSTREAM_CLASSES[error.class];
  return next === "none" || next === "same";
}

/** A rate limit among quota errors is what the caller can wait for. */
function errorType(call: Call, error: UpstreamError) {
  const limited = call.attempts.some((attempt) => attempt.error?.class === "upstream_rate_limited");
  const type = UPSTREAM_CLASSES[error.class].error;
  return type === "upstream-quota-exhausted" && limited ? "upstream-rate-limited" : type;
}

function deadlineOf(call: Call, attempt: Attempt | undefined): "attempt" | "total" {
  const own = attempt?.target.timeoutMs ?? call.group?.attemptTimeoutMs ?? 0;
  return attempt && own > 0 && attempt.timeoutMs === own ? "attempt" : "total";
}
