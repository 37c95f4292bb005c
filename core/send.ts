import { type Reply, tryTarget } from "./attempt.ts";
import {
  type Attempt,
  type Call,
  cutError,
  decidingAttempt,
  isFallback,
  type Parts,
} from "./call.ts";
import { GatewayError } from "./errors.ts";
import { hedgeDelayMs, tryHedged } from "./hedge.ts";
import { contextExceeded } from "./no_target.ts";
import { pause } from "./pause.ts";
import { shapeBuckets } from "./request_shape.ts";
import { retryDelayMs } from "./retry.ts";
import type { Group, Target } from "./snapshot.ts";
import { failure, UPSTREAM_CLASSES, type UpstreamError } from "./upstream_error.ts";
import { attemptPlan, follow, hasTriesLeft, timeLeftMs, type Walk } from "./walk.ts";
import { openTargets, withheldError } from "./withheld.ts";

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
  parts.hedges.countCall(group);
  const walk: Walk = { left: plan, failure: null, refusal: null, withheld: [] };
  while (mayTry(parts, call, group, walk)) {
    const reply = await tryNext(parts, call, group, walk);
    if (reply !== null) return reply;
  }
  throw noReply(parts, call, walk);
}

function mayTry(parts: Parts, call: Call, group: Group, { left }: Walk): boolean {
  if (left.length === 0) return false;
  if (call.attempts.length === 0) return true;
  return hasTriesLeft(call, group) && timeLeftMs(parts, call, group) > 0 &&
    parts.retries.takeRetry(group);
}

/** Tries the next target that may be tried now, and another beside it where that is slow. */
async function tryNext(
  parts: Parts,
  call: Call,
  group: Group,
  walk: Walk,
): Promise<Reply | null> {
  if (call.attempts.length > 0) {
    await pause(call, retryDelayMs(group.retry, retriesOf(call), parts.random()));
  }
  if (call.cut !== null) throw cutError(call.cut);
  const ready = parts.health.readyFirst(group, walk.left);
  const opened = await openTargets(parts, call, ready, walk.withheld);
  walk.left = opened?.left ?? [];
  const [target] = walk.left;
  if (!opened || !target) return null;
  const first = attemptPlan(parts, call, group, { target, pass: opened.pass, hedge: false });
  const delayMs = hedgeDelayMs(parts, call, group, walk);
  if (delayMs !== null) return await tryHedged(parts, call, walk, { first, group, delayMs });
  return follow(call, walk, first, await tryTarget(parts, call, first));
}

/** Retries of a call before the one that is due: a hedge follows nothing. */
function retriesOf({ attempts }: Call): number {
  return attempts.filter(({ hedge }) => !hedge).length - 1;
}

/** Why a walk ended without a reply. */
function noReply(parts: Parts, call: Call, { failure: last, refusal, withheld }: Walk) {
  if (last === null && withheld.length > 0) return withheldError(parts, call, withheld);
  if (last === null && refusal) return refusal;
  return upstreamFailure(call, last ?? failure("upstream_timeout"));
}

const NO_ANSWER = "Cannot finish the call";
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
  const attempt = decidingAttempt(call);
  if (error.class === "upstream_context_length" && group && features) {
    return contextExceeded(group, error.tokens ?? features.estimatedInputTokens);
  }
  const type = errorType(call, error);
  const told = attempt?.told ?? [];
  return new GatewayError(type, isAtFault(error) ? refused(told) : MESSAGES[type] ?? NO_ANSWER, {
    model: group?.name ?? null,
    dialect: call.dialect.name,
    ...targetDialect(call, attempt),
    attempts: call.attempts.length,
    error_class: error.class,
    upstream_status: error.status,
    reason_code: error.code,
    reason: told.find(({ name }) => name === "provider_message")?.value ?? null,
    fallback_used: call.attempts.some((attempt) => isFallback(call, attempt)),
    ...(type === "upstream-timeout" ? { deadline: deadlineOf(call, attempt) } : {}),
    ...(error.retryAfterMs === null ? {} : { retry_after_ms: error.retryAfterMs }),
    ...(isAtFault(error) ? { retryable: false } : {}),
    ...(features && call.wireFeatures ? shapeBuckets(features, call.wireFeatures.shape) : {}),
  });
}

/** What the provider refused, as far as its code and the member that it names are known words. */
function refused(told: Attempt["told"]): string {
  const words = told
    .filter(({ name, value }) => (name === "code" || name === "param") && value !== "other")
    .map(({ value }) => value);
  const about = words.length === 0 ? "" : ` (${words.join(": ")})`;
  return `Cannot finish the call: the provider refused the request${about}`;
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

function targetDialect(call: Call, attempt: Attempt | undefined) {
  const dialect = attempt?.target.dialect;
  return call.snapshot.server.exposeRouteHeaders && dialect ? { target_dialect: dialect } : {};
}

function deadlineOf(call: Call, attempt: Attempt | undefined): "attempt" | "total" {
  const own = attempt?.target.timeoutMs ?? call.group?.attemptTimeoutMs ?? 0;
  return attempt && own > 0 && attempt.timeoutMs === own ? "attempt" : "total";
}
