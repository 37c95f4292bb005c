import type { Attempt, Call, Settlement } from "./call.ts";
import { tokenEstimates } from "./estimate_rows.ts";
import type { Row } from "./record.ts";
import { trafficShapeEvents, upstreamShapeEvents } from "./shape_rows.ts";
import { UPSTREAM_CLASSES } from "./upstream_error.ts";

/**
 * Rows that tell why a call went as it did; `server.diagnostics.enabled` turns them off. What went
 * straight to its answer has no trace: its row and its attempt say all there is.
 */
export function diagnosticRows(
  call: Call,
  settlement: Settlement,
): Readonly<Record<string, readonly Row[]>> {
  const { diagnostics } = call.snapshot.server;
  if (!diagnostics.enabled) return {};
  return {
    request_upstream_error_details: diagnostics.storeUpstreamErrors
      ? call.attempts.flatMap((attempt) => errorDetails(attempt, diagnostics.maxErrorBytes))
      : [],
    request_traffic_shape_events: trafficShapeEvents(call),
    request_upstream_shape_events: upstreamShapeEvents(call),
    request_token_estimates: tokenEstimates(call),
    request_trace_events: traceEvents(call, settlement),
  };
}

/** What a provider said of a failure in words that are known: never its prose. */
function errorDetails(
  { error, index, ts, told, upstreamRequestId }: Attempt,
  maxBytes: number,
): Row[] {
  if (!error || error.status === null) return [];
  const fields = [
    ...told.map(({ name, value }) => ({ name, value, source: "body" })),
    { name: "status", value: String(error.status), source: "status" },
    ...upstreamRequestId
      ? [{ name: "provider_request_id", value: upstreamRequestId, source: "header" }]
      : [],
  ];
  return fields.map(({ name, value, source }, seq) => ({
    attempt_index: index,
    seq,
    ts,
    error_class: error.class,
    status_code: error.status ?? undefined,
    field_name: name,
    // All of it is ASCII, so that characters are bytes.
    field_value: value.slice(0, maxBytes),
    source,
    truncated: value.length > maxBytes ? 1 : undefined,
  }));
}

/** One row for each turn of a call that did not go straight, in order. */
function traceEvents(call: Call, { error, step, status, partial }: Settlement): Row[] {
  const skipped = call.upstreamShapings.filter(({ decision }) => decision === "skipped");
  if (error === null && call.attempts.length < 2 && skipped.length === 0) return [];
  const events: Row[] = [
    ...skipped.map(({ target, ts, scope, bucket, backoff }) => ({
      ...targetOf(target),
      ts,
      step: "send",
      event: "target_skipped",
      message: `${scope}: ${bucket || backoff}`,
    })),
    ...call.attempts.map(attemptEvent),
  ];
  if (error) {
    events.push({
      step,
      event: call.cut?.replace("-", "_") ?? (partial ? "stream_broken" : "call_failed"),
      message: error.type,
      status_code: status,
      retryable: error.retryable ? 1 : undefined,
    });
  }
  return events.map((event, seq) => ({ seq, ts: call.ts, ...event }));
}

function attemptEvent({ target, error, index, startedAt, endedAt, ...attempt }: Attempt): Row {
  return {
    ...targetOf(target),
    ts: attempt.ts,
    step: "send",
    event: error ? "attempt_failed" : attempt.selected ? "attempt_served" : "attempt_ended",
    error_class: error?.class,
    retryable: error && UPSTREAM_CLASSES[error.class].next !== "none" ? 1 : undefined,
    duration_ms: endedAt === null ? undefined : Math.round(endedAt - startedAt),
    status_code: attempt.status ?? undefined,
    attempt: index,
  };
}

function targetOf({ provider, model, dialect }: Attempt["target"]): Row {
  return { provider: provider.name, model, dialect };
}
