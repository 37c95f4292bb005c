import type { Call } from "./call.ts";
import type { Shaping } from "./limits/shape.ts";
import type { ShapeScope } from "./limits/upstream_shapes.ts";
import type { Row } from "./record.ts";
import { reservedTokens } from "./reserve.ts";
import { queuedMs } from "./shape_call.ts";

/** What the pace of its caller did to a call, in its row. */
export function shapeColumns(call: Call): Row {
  const shaping = decisive(call.shapings);
  if (!shaping) return NOT_SHAPED;
  const { input, output } = reservedTokens(call);
  const straight = shaping.decision === "admitted";
  return {
    traffic_shape_applied: 1,
    traffic_shape_decision: shaping.decision,
    traffic_shape_scope: shaping.bucket === "" ? undefined : "caller",
    traffic_shape_bucket: shaping.bucket || undefined,
    traffic_shape_retry_after_ms: shaping.retryAfterMs || undefined,
    traffic_shape_estimated_input_tokens: input,
    traffic_shape_reserved_output_tokens: output,
    traffic_shape_total_reserved_tokens: input + output,
    queue_wait_ms: straight ? undefined : Math.round(queuedMs(call)),
  };
}

/** Frozen, so that it is encoded once. */
const NOT_SHAPED: Row = Object.freeze({});

/** Of several decisions the one that mattered most to the caller. */
function decisive(shapings: readonly Shaping[]): Shaping | undefined {
  const last = shapings.at(-1);
  if (last?.decision === "rejected") return last;
  return shapings.find(({ decision }) => decision === "queued") ?? last;
}

/**
 * Rows of `request_traffic_shape_events`: every decision of the caller's own shape. None when all went
 * straight through, as most do: the call's own row says that.
 */
export function trafficShapeEvents(call: Call): readonly Row[] {
  if (call.shapings.every(({ decision }) => decision === "admitted")) return [];
  return call.shapings.map((shaping, seq) => ({
    seq,
    ts: shaping.ts,
    scope: "caller",
    bucket: shaping.bucket,
    decision: shaping.decision,
    retry_after_ms: shaping.retryAfterMs,
    queue_wait_ms: Math.round(shaping.queuedMs),
    ...tokens(call),
    cost: shaping.cost,
  }));
}

/** Shapes by the names under which they are stored and counted. */
export const SHAPE_SCOPES: Readonly<Record<ShapeScope, string>> = {
  provider: "provider",
  model: "provider_model",
  target: "target",
};

/** Rows of `request_upstream_shape_events`: what the shapes of its targets decided. */
export function upstreamShapeEvents(call: Call): readonly Row[] {
  return call.upstreamShapings.map(({ target, ...shaping }, seq) => ({
    seq,
    ts: shaping.ts,
    scope: SHAPE_SCOPES[shaping.scope],
    provider: target.provider.name,
    model_ref: target.modelRef ?? undefined,
    model: target.model,
    dialect: target.dialect,
    bucket: shaping.bucket,
    decision: shaping.decision,
    backoff_reason: shaping.backoff === "" ? "" : `provider-${shaping.backoff}`,
    retry_after_ms: Math.round(shaping.retryAfterMs),
    ...tokens(call),
  }));
}

function tokens(call: Call) {
  const { input, output } = reservedTokens(call);
  return {
    estimated_input_tokens: input,
    reserved_output_tokens: output,
    total_reserved_tokens: input + output,
  };
}
