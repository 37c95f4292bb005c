import type { Attempt, Call, Settlement } from "./call.ts";
import type { Row } from "./record.ts";
import { reservedTokens } from "./reserve.ts";
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
    request_traffic_shape_events: callerShapes(call),
    request_upstream_shape_events: upstreamShapes(call),
    request_token_estimates: estimates(call),
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

/** Tokens a bucket was asked for. */
function tokensOf(call: Call): Row {
  const { input, output } = reservedTokens(call);
  return {
    estimated_input_tokens: input,
    reserved_output_tokens: output,
    total_reserved_tokens: input + output,
  };
}

/** What the pace of the caller did with the call. */
function callerShapes(call: Call): Row[] {
  const { shaping, ts, queuedMs } = call;
  if (shaping === null) return [];
  return [{
    seq: 0,
    ts,
    scope: "caller",
    bucket: shaping.bucket,
    decision: shaping.decision,
    retry_after_ms: shaping.retryAfterMs,
    queue_wait_ms: Math.round(queuedMs),
    ...tokensOf(call),
  }];
}

/** Targets that the plan had and that were not tried. */
function upstreamShapes(call: Call): Row[] {
  return call.withheld.map(({ target, reason, waitMs }, seq) => ({
    seq,
    ts: call.ts,
    scope: "target",
    provider: target.provider.name,
    model_ref: target.modelRef ?? undefined,
    model: target.model,
    dialect: target.dialect,
    bucket: reason,
    decision: "skipped",
    retry_after_ms: Math.round(waitMs ?? 0),
    ...tokensOf(call),
  }));
}

/** How the input was estimated, before anything was learned of its target: by characters. */
function estimates(call: Call): Row[] {
  const { features, group, estimate } = call;
  if (!features || !group || !estimate) return [];
  const { estimatedInputTokens: input, estimatedToolTokens, estimatedImageTokens } = features;
  return [{
    ts: call.ts,
    inbound_dialect: call.dialect.name,
    requested_model: group.name,
    resolved_group: group.name,
    estimate_method: "chars",
    estimate_version: "1",
    estimate_confidence_bucket: estimate.confidence,
    requested_output_cap_field: features.outputCapField ?? undefined,
    router_default_output_cap_applied: features.outputCap === null ? 1 : undefined,
    estimated_input_tokens: input - estimatedToolTokens - estimatedImageTokens -
      features.mediaTokens,
    estimated_tool_schema_tokens: estimatedToolTokens,
    estimated_image_tokens: estimatedImageTokens,
    estimated_audio_tokens: features.mediaTokens,
    estimated_total_input_tokens: input,
    requested_output_cap_tokens: features.outputCap ?? undefined,
    total_reserved_tokens: tokensOf(call)["total_reserved_tokens"],
    request_bytes: features.requestBytes,
    translated_request_bytes: call.attempts.findLast(({ bridge }) => bridge)?.requestBytes,
  }];
}

/** One row for each turn of a call that did not go straight, in order. */
function traceEvents(call: Call, { error, step, status, partial }: Settlement): Row[] {
  if (error === null && call.attempts.length < 2 && call.withheld.length === 0) return [];
  const events: Row[] = [
    ...call.withheld.map(({ target, reason }) => ({
      ...targetOf(target),
      step: "send",
      event: "target_skipped",
      message: reason,
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
