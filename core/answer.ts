import { type Call, type Parts, servingAttempt } from "./call.ts";
import type { Dialect } from "./dialect.ts";
import { ERRORS, type GatewayError } from "./errors.ts";
import type { JsonObject } from "./json.ts";
import { rateStanding } from "./limits/standing.ts";
import { scopesOf } from "./reserve.ts";

/** Response headers by lower-case name. */
export type ReplyHeaders = Record<string, string>;

/** Headers of a reply: only the content type comes from the provider. */
export function replyHeaders(parts: Parts, call: Call, contentType: string): ReplyHeaders {
  const attempt = servingAttempt(call);
  const now = parts.clock();
  const waiting = attempt && attempt.endedAt === null ? now - attempt.startedAt : 0;
  const overheadMs = Math.max(0, now - call.startedAt - call.waitedMs - waiting);
  const headers: ReplyHeaders = {
    "content-type": contentType,
    "x-router-group": call.group?.name ?? "",
    "x-router-attempts": String(call.attempts.length),
    "x-router-cache": call.cache?.status ?? "bypass",
    "x-router-overhead-ms": overheadMs.toFixed(3),
  };
  for (const name of call.dialect.requestIdHeaders) headers[name] = call.id;
  Object.assign(headers, limitHeaders(parts, call));
  const served = attempt
    ? { provider: attempt.target.provider.name, model: attempt.target.model }
    : call.cache?.reply;
  if (served && call.snapshot.server.exposeRouteHeaders) {
    headers["x-router-provider"] = served.provider;
    headers["x-router-model"] = headerText(served.model);
  }
  return headers;
}

/** An upstream id is any text; a header is not. */
function headerText(text: string): string {
  return /^[\x21-\x7e]*$/.test(text) ? text : encodeURIComponent(text.toWellFormed());
}

/** How the caller's rate limits stand, as its SDK reads it; nothing before the call took of them. */
export function limitHeaders({ ledger }: Parts, call: Call): ReplyHeaders {
  if (call.reservation === null) return {};
  return call.dialect.limitHeaders(rateStanding(scopesOf(call), ledger.moment()));
}

/** The headers that carry a call's id. */
export function idHeaders(dialect: Dialect, requestId: string): ReplyHeaders {
  return Object.fromEntries(dialect.requestIdHeaders.map((name) => [name, requestId]));
}

/** An error in the caller's dialect, with what its SDK needs to know about retrying. */
export function errorAnswer(
  dialect: Dialect,
  error: GatewayError,
  requestId: string,
  more: ReplyHeaders = {},
): Response {
  const headers = {
    ...idHeaders(dialect, requestId),
    ...retryHeaders(error),
    ...factHeaders(error),
    ...more,
  };
  return json(dialect.encodeError(error, requestId), { status: error.status, headers });
}

function retryHeaders(error: GatewayError): ReplyHeaders {
  const wait = error.details["retry_after_ms"];
  const known = typeof wait === "number";
  const after = known && ERRORS[error.type].retry === "after"
    ? { "retry-after": String(Math.ceil(wait / 1000)), "retry-after-ms": String(Math.ceil(wait)) }
    : {};
  return { ...after, ...(!error.retryable ? { "x-should-retry": "false" } : {}) };
}

function factHeaders({ type, details }: GatewayError): ReplyHeaders {
  const headers: ReplyHeaders = {};
  const { error_class: name, upstream_status: status, allow } = details;
  if (typeof name === "string") headers["x-router-error-class"] = name;
  if (typeof status === "number") headers["x-upstream-status"] = String(status);
  if (type === "unauthorized") headers["www-authenticate"] = 'Bearer realm="pointsman"';
  if (typeof allow === "string") headers["allow"] = allow;
  if (type === "shutting-down" || type === "request-timeout") headers["connection"] = "close";
  return headers;
}

/** A JSON answer. */
export function json(
  body: JsonObject,
  init: { readonly status?: number; readonly headers?: ReplyHeaders } = {},
): Response {
  return new Response(JSON.stringify(body), {
    status: init.status ?? 200,
    headers: { "content-type": "application/json", ...init.headers },
  });
}
