import type { Json } from "./json.ts";

/**
 * Every error a caller can be told, with its HTTP status and what a client may do about it:
 * `backoff` retry with the SDK's own backoff, `after` retry after `Retry-After`, `never` do not
 * retry unchanged. The type checker completes every use of this table.
 */
export const ERRORS = {
  "invalid-request": { status: 400, retry: "never" },
  "missing-model": { status: 400, retry: "never" },
  "responses-body-on-chat-endpoint-disabled": { status: 400, retry: "never" },
  "responses-body-field-unsupported": { status: 400, retry: "never" },
  "responses-background-unsupported": { status: 400, retry: "never" },
  "context-length-exceeded": { status: 400, retry: "never" },
  "provider-hosted-tools-forbidden": { status: 400, retry: "never" },
  "unauthorized": { status: 401, retry: "never" },
  "model-not-allowed": { status: 403, retry: "never" },
  "key-disabled": { status: 403, retry: "never" },
  "key-suspended": { status: 403, retry: "never" },
  "key-expired": { status: 403, retry: "never" },
  "key-rotated": { status: 403, retry: "never" },
  "key-exhausted": { status: 403, retry: "never" },
  "metrics-forbidden": { status: 403, retry: "never" },
  "not-found": { status: 404, retry: "never" },
  "method-not-allowed": { status: 405, retry: "never" },
  "request-timeout": { status: 408, retry: "backoff" },
  "request-too-large": { status: 413, retry: "never" },
  "responses-websocket-unsupported": { status: 426, retry: "never" },
  "rpm-exceeded": { status: 429, retry: "after" },
  "tpm-exceeded": { status: 429, retry: "after" },
  "concurrency-exceeded": { status: 429, retry: "after" },
  "quota-exhausted": { status: 429, retry: "after" },
  "traffic-shaped": { status: 429, retry: "after" },
  "client-closed-request": { status: 499, retry: "never" },
  "internal-error": { status: 500, retry: "backoff" },
  "no-eligible-target": { status: 502, retry: "never" },
  "routing-policy-error": { status: 502, retry: "never" },
  "upstream-failed": { status: 502, retry: "backoff" },
  "upstream-rate-limited": { status: 503, retry: "after" },
  "upstream-quota-exhausted": { status: 503, retry: "after" },
  "upstream-access-denied": { status: 503, retry: "never" },
  "upstream-capacity-throttled": { status: 503, retry: "after" },
  "quota-store-unavailable": { status: 503, retry: "after" },
  "journal-unavailable": { status: 503, retry: "after" },
  "shutting-down": { status: 503, retry: "backoff" },
  "upstream-timeout": { status: 504, retry: "backoff" },
} as const satisfies Record<string, { status: number; retry: "backoff" | "after" | "never" }>;

/** Waits above this are not worth an automatic retry, ms. */
const LONG_WAIT_MS = 60_000;

/** The name of an error, as callers see it in `type`. */
export type ErrorType = keyof typeof ERRORS;

/** Facts of an error that a caller may see: names, counts and codes, never content or secrets. */
export type ErrorDetails = Readonly<Record<string, Json | undefined>>;

/** The one error of the gateway: thrown where something fails, turned into bytes by a dialect. */
export class GatewayError extends Error {
  override readonly name = "GatewayError";

  constructor(
    readonly type: ErrorType,
    message: string,
    readonly details: ErrorDetails = {},
    options?: ErrorOptions,
  ) {
    super(message, options);
  }

  /** HTTP status of the answer. */
  get status(): number {
    return ERRORS[this.type].status;
  }

  /**
   * Whether a client should try the same request again by itself: `details.retryable: false`
   * overrides the table, and a long wait is not for a client to sit out.
   */
  get retryable(): boolean {
    const { retryable, retry_after_ms: wait } = this.details;
    if (typeof wait === "number" && wait > LONG_WAIT_MS) return false;
    return ERRORS[this.type].retry !== "never" && retryable !== false;
  }
}

/** Turns anything thrown into a `GatewayError`; what we did not foresee is an `internal-error`. */
export function asGatewayError(thrown: unknown): GatewayError {
  if (thrown instanceof GatewayError) return thrown;
  return new GatewayError("internal-error", "Cannot finish the call: internal error", {}, {
    cause: thrown,
  });
}
