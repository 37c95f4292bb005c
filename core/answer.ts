import { type Call, type Parts, servingAttempt } from "./call.ts";
import type { Dialect } from "./dialect.ts";
import { ERRORS, type GatewayError } from "./errors.ts";
import type { JsonObject } from "./json.ts";

type HeaderList = [string, string][];

/** Waits above this are not worth an SDK's automatic retry, ms. */
const LONG_WAIT_MS = 60_000;

/** Headers of a reply: only the content type comes from the provider. */
export function replyHeaders(parts: Parts, call: Call, contentType: string): HeaderList {
  const attempt = servingAttempt(call);
  const waiting = attempt && attempt.endedAt === null ? parts.clock() - attempt.startedAt : 0;
  const overheadMs = Math.max(0, parts.clock() - call.startedAt - call.waitedMs - waiting);
  const headers: HeaderList = [
    ["content-type", contentType],
    ...idHeaders(call.dialect, call.id),
    ["x-router-group", call.group?.name ?? ""],
    ["x-router-attempts", String(call.attempts.length)],
    ["x-router-cache", "bypass"],
    ["x-router-overhead-ms", overheadMs.toFixed(3)],
  ];
  if (attempt && call.snapshot.server.exposeRouteHeaders) {
    headers.push(
      ["x-router-provider", attempt.target.provider.name],
      ["x-router-model", attempt.target.model],
    );
  }
  return headers;
}

function idHeaders(dialect: Dialect, requestId: string): HeaderList {
  return dialect.requestIdHeaders.map((name) => [name, requestId]);
}

/** An error in the caller's dialect, with what its SDK needs to know about retrying. */
export function errorAnswer(dialect: Dialect, error: GatewayError, requestId: string): Response {
  const headers: HeaderList = [...idHeaders(dialect, requestId), ...errorHeaders(error)];
  return json(dialect.encodeError(error, requestId), { status: error.status, headers });
}

function errorHeaders(error: GatewayError): HeaderList {
  const { details } = error;
  const headers: HeaderList = [];
  const wait = details["retry_after_ms"];
  if (ERRORS[error.type].retry === "after" && typeof wait === "number") {
    headers.push(["retry-after", String(Math.ceil(wait / 1000))]);
    headers.push(["retry-after-ms", String(Math.ceil(wait))]);
  }
  const tooLong = typeof wait === "number" && wait > LONG_WAIT_MS;
  if (!error.retryable || tooLong) headers.push(["x-should-retry", "false"]);
  if (typeof details["error_class"] === "string") {
    headers.push(["x-router-error-class", details["error_class"]]);
  }
  if (typeof details["upstream_status"] === "number") {
    headers.push(["x-upstream-status", String(details["upstream_status"])]);
  }
  if (error.type === "unauthorized") {
    headers.push(["www-authenticate", 'Bearer realm="pointsman"']);
  }
  if (typeof details["allow"] === "string") headers.push(["allow", details["allow"]]);
  if (["shutting-down", "request-timeout"].includes(error.type)) {
    headers.push(["connection", "close"]);
  }
  return headers;
}

/** A JSON answer. */
export function json(
  body: JsonObject,
  init: { readonly status?: number; readonly headers?: HeaderList } = {},
): Response {
  return new Response(JSON.stringify(body), {
    status: init.status ?? 200,
    headers: [["content-type", "application/json"], ...(init.headers ?? [])],
  });
}
