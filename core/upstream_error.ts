import type { ErrorType } from "./errors.ts";
import { isObject, type Json, type JsonObject, textOrEmpty } from "./json.ts";
import { CONTEXT_TEXT, KNOWN_CODES } from "./upstream_details.ts";

/** Why an attempt failed; a closed list, used in rows, headers and metrics. */
export type UpstreamClass = keyof typeof UPSTREAM_CLASSES;

/**
 * What follows a failed attempt. `next`: which target may be tried; `same`: this one, once more, without
 * the reasoning of earlier turns. `breaker`: `failure` counts
 * against the target, `opens` opens its breaker at once, `backoff` defers the target, `none` is the
 * request's own fault. `error`: what the caller is told when it was the last attempt.
 */
export const UPSTREAM_CLASSES = {
  upstream_timeout: { next: "any", breaker: "failure", error: "upstream-timeout" },
  upstream_network: { next: "any", breaker: "failure", error: "upstream-failed" },
  upstream_overloaded: { next: "any", breaker: "failure", error: "upstream-failed" },
  upstream_bad_response: { next: "any", breaker: "failure", error: "upstream-failed" },
  empty_stream: { next: "any", breaker: "failure", error: "upstream-failed" },
  upstream_rate_limited: { next: "any", breaker: "backoff", error: "upstream-rate-limited" },
  upstream_quota_exhausted: { next: "any", breaker: "backoff", error: "upstream-quota-exhausted" },
  upstream_auth_failed: { next: "any", breaker: "opens", error: "upstream-access-denied" },
  upstream_access_denied: { next: "any", breaker: "opens", error: "upstream-access-denied" },
  upstream_context_length: { next: "larger", breaker: "none", error: "context-length-exceeded" },
  upstream_reasoning_rejected: { next: "same", breaker: "none", error: "upstream-failed" },
  upstream_bad_request: { next: "none", breaker: "none", error: "upstream-failed" },
  upstream_request_too_large: { next: "none", breaker: "none", error: "upstream-failed" },
  upstream_status: { next: "none", breaker: "none", error: "upstream-failed" },
} as const satisfies Record<
  string,
  {
    next: "any" | "larger" | "same" | "none";
    breaker: "failure" | "opens" | "backoff" | "none";
    error: ErrorType;
  }
>;

/** A failed attempt. */
export interface UpstreamError {
  readonly class: UpstreamClass;
  /** HTTP status of the provider; `null` when none came. */
  readonly status: number | null;
  /** The provider's code when it is a known one; never prose. */
  readonly code: string | null;
  /** What the provider asked to wait, ms. */
  readonly retryAfterMs: number | null;
  /** Tokens of a prompt that was too long, where the provider counted them. */
  readonly tokens?: number;
}

/** Words about reasoning of earlier turns that a provider does not recognise. */
const REASONING_TEXT =
  /signature|thinking` block|thinking block|(encrypted|extra)[_ ]content|reasoning.{0,60}(item|block)/i;
/** Words about a thing of the caller's that a provider does not have: no fault of the target. */
const STALE_TEXT = /\bwith id\b.{0,120}\bnot found\b|\bno such \w+ object\b/i;
const STALE_REASONING = /\bwith id '?rs_/i;
/** Words about what the caller said, not about who may say it. */
const POLICY_TEXT = /\b(content|input|prompt)\b.{0,60}(flagged|violat|polic|filter|moderat)/i;
const CREDIT_TEXT = /credit balance|insufficient (credit|balance|funds)/i;
const OVERLOAD_TEXT = /overload|retry/i;

/** The parts of a provider's error that classification reads. */
interface WireError {
  readonly codes: readonly string[];
  /** A code that is a number. */
  readonly number: number | null;
  readonly message: string;
}

/** Reads `{error:{..}}`, `{error:".."}`, `{message}`, `{detail}`, a bare error, or one of these in an array. */
function readWireError(body: Json | undefined): WireError {
  const value = Array.isArray(body) ? body[0] : body;
  if (!isObject(value)) return { codes: [], number: null, message: "" };
  const error = value["error"];
  if (typeof error === "string") return { codes: [], number: null, message: error };
  const source: JsonObject = isObject(error) ? error : value;
  const { code, type } = source;
  return {
    codes: [textOrEmpty(code), textOrEmpty(type)].filter((word) => word !== ""),
    number: typeof code === "number" ? code : null,
    message: textOrEmpty(source["message"]) || textOrEmpty(value["detail"]),
  };
}

/** A count of tokens that is not said to be a limit. */
const COUNTED_TOKENS = /(?<!\b(?:is|most|of|to) )\b(\d[\d,]*) tokens|token count \((\d+)\)/gi;

/** The largest count in the words of a provider: of a prompt and its parts, the prompt. */
function countedTokens({ message }: WireError): { readonly tokens?: number } {
  const counts = [...message.matchAll(COUNTED_TOKENS)]
    .map(([, before, inside]) => Number((before ?? inside ?? "").replaceAll(",", "")));
  const tokens = Math.max(0, ...counts);
  return Number.isSafeInteger(tokens) && tokens > 0 ? { tokens } : {};
}

/** What an error value means by its code and words alone, whatever the status said. */
function classifyByContent(error: WireError): UpstreamClass | null {
  const has = (test: (code: string) => boolean) => error.codes.some(test);
  if (has((code) => code === "context_length_exceeded")) return "upstream_context_length";
  if (has((code) => code === "insufficient_quota" || code.startsWith("billing_"))) {
    return "upstream_quota_exhausted";
  }
  if (CREDIT_TEXT.test(error.message)) return "upstream_quota_exhausted";
  if (has((code) => code.startsWith("rate_limit"))) return "upstream_rate_limited";
  if (has((code) => code === "overloaded_error")) return "upstream_overloaded";
  return null;
}

/** What only the words of a refusal tell. */
function classifyByText(status: number, { message }: WireError): UpstreamClass | null {
  if ([400, 413, 422].includes(status) && CONTEXT_TEXT.test(message)) {
    return "upstream_context_length";
  }
  if (status === 400 && REASONING_TEXT.test(message)) return "upstream_reasoning_rejected";
  if (status === 404 && STALE_TEXT.test(message)) {
    return STALE_REASONING.test(message) ? "upstream_reasoning_rejected" : "upstream_bad_request";
  }
  return status === 403 && POLICY_TEXT.test(message) ? "upstream_bad_request" : null;
}

function classifyByStatus(status: number, error: WireError): UpstreamClass {
  if (status === 402) return "upstream_quota_exhausted";
  if (status === 429) return "upstream_rate_limited";
  if (status === 408 || status === 504) return "upstream_timeout";
  if (status >= 500) return "upstream_overloaded";
  if (status === 409 && OVERLOAD_TEXT.test(error.message)) return "upstream_overloaded";
  if (status === 401) return "upstream_auth_failed";
  if (status === 403 || status === 404) return "upstream_access_denied";
  if (status === 400 || status === 422) return "upstream_bad_request";
  if (status === 413) return "upstream_request_too_large";
  if (status < 400) return classifyByNumber(error) ?? "upstream_bad_response";
  return "upstream_status";
}

/** Brokers tell the status that they got themselves as the code of an error inside a 200. */
function classifyByNumber({ number }: WireError): UpstreamClass | null {
  if (number === 402) return "upstream_quota_exhausted";
  return number === 429 ? "upstream_rate_limited" : null;
}

/**
 * Classifies an answer that is no reply. The body is read for codes and words that name the cause;
 * text and HTML give only what the status says.
 */
export function classifyAnswer(
  status: number,
  body: Json | undefined,
  retryAfterMs: number | null,
): UpstreamError {
  const error = readWireError(body);
  const name = classifyByText(status, error) ?? classifyByContent(error) ??
    classifyByStatus(status, error);
  return { ...upstreamError(name, error, status), retryAfterMs };
}

/** Classifies an error event inside a stream that began with 200. */
export function classifyEvent(event: JsonObject | null, status: number): UpstreamError {
  const error = readWireError(event ?? undefined);
  const context = CONTEXT_TEXT.test(error.message) ? "upstream_context_length" : null;
  const name = classifyByContent(error) ?? context ?? classifyByNumber(error);
  return upstreamError(name ?? "upstream_overloaded", error, status);
}

function upstreamError(name: UpstreamClass, error: WireError, status: number): UpstreamError {
  return {
    ...failure(name, status),
    code: error.codes.find((code) => KNOWN_CODES.has(code)) ?? null,
    ...(name === "upstream_context_length" && countedTokens(error)),
  };
}

/** A failure without an answer, or with one that cannot be used. */
export function failure(name: UpstreamClass, status: number | null = null): UpstreamError {
  return { class: name, status, code: null, retryAfterMs: null };
}

/** Reads `retry-after-ms`, else `Retry-After` (seconds or a date), as ms from `now` (epoch ms). */
export function retryAfterMs(headers: Headers, now: number): number | null {
  const exact = headers.get("retry-after-ms") ?? "";
  if (NUMBER.test(exact)) return Math.ceil(Number(exact));
  const value = headers.get("retry-after") ?? "";
  if (NUMBER.test(value)) return Math.ceil(Number(value) * 1000);
  // Date.parse takes "-5" for a year.
  const date = /^[A-Z]/i.test(value) ? Date.parse(value) : NaN;
  return Number.isNaN(date) ? null : Math.max(0, date - now);
}

const NUMBER = /^\d{1,15}(\.\d+)?$/;
