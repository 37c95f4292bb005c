import { type Reply, tryTarget } from "./attempt.ts";
import { type Call, cutError, type Parts } from "./call.ts";
import { GatewayError } from "./errors.ts";
import { pause } from "./pause.ts";
import { retryDelayMs } from "./retry.ts";
import { contextExceeded } from "./no_target.ts";
import type { Group, Target } from "./snapshot.ts";
import { UPSTREAM_CLASSES, type UpstreamError } from "./upstream_error.ts";
import { endPass, openTargets, type Withheld, withheldError } from "./withheld.ts";

/**
 * Step 5: walks the plan until a target replies. Each failure decides which targets may follow.
 *
 * @throws {GatewayError} the last failure, in the words for callers
 */
export async function send(
  parts: Parts,
  call: Call,
  plan: readonly Target[],
): Promise<Reply> {
  const { group } = call;
  if (!group) throw new TypeError("Cannot send a call that was not admitted");
  parts.retries.countCall(group);
  let left = plan;
  let last: UpstreamError | null = null;
  const withheld: Withheld[] = [];
  let refusal: GatewayError | null = null;
  for (let index = 0; mayTry(parts, call, group, left, index); index = call.attempts.length) {
    if (index > 0) await pause(call, retryDelayMs(group.retry, index - 1, parts.random()));
    if (call.cut !== null) throw cutError(call.cut);
    left = await openTargets(parts, call, parts.health.readyFirst(group, left), withheld);
    const [target] = left;
    if (!target) break;
    const timeoutMs = attemptTimeout(parts, call, group, target);
    const outcome = await tryTarget(parts, call, { target, index, timeoutMs });
    if (outcome instanceof GatewayError) {
      endPass(parts, call, null);
      refusal = outcome;
      left = left.slice(1);
    } else if ("class" in outcome) {
      last = outcome;
      left = following(call, left, outcome);
    } else return outcome;
  }
  if (last === null && withheld.length > 0) throw withheldError(parts, call, withheld);
  if (refusal && last === null) throw refusal;
  throw upstreamFailure(call, last ?? { class: "upstream_timeout", ...NOTHING });
}

const NOTHING = { status: null, code: null, retryAfterMs: null } as const;

function mayTry(
  parts: Parts,
  call: Call,
  group: Group,
  left: readonly Target[],
  index: number,
): boolean {
  if (left.length === 0) return false;
  if (index === 0) return true;
  const { maxAttempts, totalDeadlineMs } = group.retry;
  // Sending the request again without its reasoning is part of the same try.
  const tries = call.withoutProofs ? index - 1 : index;
  if (maxAttempts > 0 && tries >= maxAttempts) return false;
  if (parts.clock() - call.startedAt >= totalDeadlineMs) return false;
  return parts.retries.takeRetry(group);
}

function following(
  call: Call,
  plan: readonly Target[],
  error: UpstreamError,
): readonly Target[] {
  const [failed, ...rest] = plan;
  const { next } = UPSTREAM_CLASSES[error.class];
  if (next === "same") return withoutProofs(call, plan);
  if (next === "none") return [];
  if (next === "any") return rest;
  const size = failed?.contextTokens ?? null;
  return rest.filter(({ contextTokens }) =>
    size === null || contextTokens === null || contextTokens > size
  );
}

/** The same plan, once: without its reasoning the request is another one. */
function withoutProofs(call: Call, plan: readonly Target[]): readonly Target[] {
  if (call.withoutProofs || !call.sentProofs) return [];
  call.withoutProofs = true;
  return plan;
}

/** Never more than what is left of the total deadline; at least 1 ms. */
function attemptTimeout(parts: Parts, call: Call, group: Group, target: Target): number {
  const left = group.retry.totalDeadlineMs - (parts.clock() - call.startedAt);
  const own = target.timeoutMs ?? group.attemptTimeoutMs;
  return Math.max(1, own > 0 ? Math.min(own, left) : left);
}

const MESSAGES: Readonly<Record<string, string>> = {
  "upstream-timeout": "Cannot finish the call: the provider took too long",
  "upstream-failed": "Cannot finish the call: the provider failed",
  "upstream-rate-limited": "Cannot finish the call: the provider limits our rate",
  "upstream-quota-exhausted": "Cannot finish the call: the provider's quota is exhausted",
  "upstream-access-denied": "Cannot finish the call: the provider denies access",
};

/** What the caller is told about the failure that ended its call. */
export function upstreamFailure(call: Call, error: UpstreamError): GatewayError {
  const { group, features } = call;
  if (error.class === "upstream_context_length" && group && features) {
    return contextExceeded(group, features.estimatedInputTokens);
  }
  const type = errorType(call, error);
  return new GatewayError(type, MESSAGES[type] ?? "Cannot finish the call", {
    model: group?.name ?? null,
    dialect: call.dialect.name,
    ...targetDialect(call),
    attempts: call.attempts.length,
    error_class: error.class,
    upstream_status: error.status,
    reason_code: error.code,
    fallback_used: call.attempts.length > 1,
    ...(type === "upstream-timeout" ? { deadline: deadlineOf(call) } : {}),
    ...(error.retryAfterMs === null ? {} : { retry_after_ms: error.retryAfterMs }),
    ...(isAtFault(error) ? { retryable: false } : {}),
  });
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

function targetDialect(call: Call) {
  const dialect = call.attempts.at(-1)?.target.dialect;
  return call.snapshot.server.exposeRouteHeaders && dialect ? { target_dialect: dialect } : {};
}

function deadlineOf(call: Call): "attempt" | "total" {
  const attempt = call.attempts.at(-1);
  const own = attempt?.target.timeoutMs ?? call.group?.attemptTimeoutMs ?? 0;
  return attempt && own > 0 && attempt.timeoutMs === own ? "attempt" : "total";
}
