import { type Call, cutError, type Parts } from "./call.ts";
import { GatewayError } from "./errors.ts";
import { type ShapeCharge, type Shaping, type Shortage, tokenCharge } from "./limits/shape.ts";
import { pause } from "./pause.ts";
import { reservedTokens } from "./reserve.ts";

const ONE_START: ShapeCharge = { request_start_per_sec: 1 };

/**
 * Paces the start of a call, and may make it wait.
 *
 * @throws {GatewayError} `traffic-shaped`, or that the call was cut while it waited
 */
export function shapeStart(parts: Parts, call: Call): Promise<void> | undefined {
  return shapeBy(parts, call, ONE_START);
}

/**
 * Paces the tokens a call reserved, and may make it wait.
 *
 * @throws {GatewayError} `traffic-shaped`, or that the call was cut while it waited
 */
export function shapeTokens(parts: Parts, call: Call): Promise<void> | undefined {
  return shapeBy(parts, call, tokenCharge(reservedTokens(call)));
}

function shapeBy(parts: Parts, call: Call, charge: ShapeCharge): Promise<void> | undefined {
  const { id, shape } = call.credential.caller;
  if (shape === null) return undefined;
  const taken = parts.callerShapes.enter(id, shape, charge);
  const cost = charge.request_start_per_sec ?? charge.total_reserved_tokens_per_sec ?? 0;
  const shaping = { ts: parts.now(), bucket: "", retryAfterMs: 0, cost, queuedMs: 0 };
  if ("bucket" in taken) {
    call.shapings.push({
      ...shaping,
      decision: "rejected",
      bucket: `caller.${taken.bucket}`,
      retryAfterMs: Number.isFinite(taken.waitMs) ? taken.waitMs : 0,
    });
    throw shapedError(call, taken);
  }
  call.shaped.push(taken);
  if (taken.waitMs === 0) {
    call.shapings.push({ ...shaping, decision: "admitted" });
    return undefined;
  }
  const queued: Shaping = { ...shaping, decision: "queued" };
  call.shapings.push(queued);
  return wait(parts, call, queued, taken.waitMs).finally(taken.done);
}

/** Who leaves the queue gives its place and its charge back when the call is settled. */
async function wait(parts: Parts, call: Call, queued: Shaping, ms: number): Promise<void> {
  const from = parts.clock();
  await pause(call, ms);
  queued.queuedMs = parts.clock() - from;
  call.waitedMs += queued.queuedMs;
  if (call.cut !== null) throw cutError(call.cut);
}

/** Time a call spent in the queue of its caller, ms. */
export function queuedMs({ shapings }: Call): number {
  return shapings.reduce((sum, { queuedMs }) => sum + queuedMs, 0);
}

function shapedError(call: Call, { bucket, waitMs, neverFits }: Shortage): GatewayError {
  return new GatewayError(
    "traffic-shaped",
    neverFits
      ? "Cannot admit the call: it needs more than its traffic shape ever lets through"
      : "Cannot admit the call: calls of the key come too fast",
    {
      bucket: `caller.${bucket}`,
      queue_wait_ms: Math.round(queuedMs(call)),
      ...(neverFits ? { never_fits: true, retryable: false } : { retry_after_ms: waitMs }),
    },
  );
}
