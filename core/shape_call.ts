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
  if ("bucket" in taken) {
    note(call, {
      decision: "rejected",
      bucket: `caller.${taken.bucket}`,
      retryAfterMs: Number.isFinite(taken.waitMs) ? taken.waitMs : 0,
    });
    throw shapedError(call, taken);
  }
  call.shaped.push(taken);
  if (taken.waitMs === 0) {
    if (call.shaping === null) note(call, { decision: "admitted", bucket: "", retryAfterMs: 0 });
    return undefined;
  }
  note(call, { decision: "queued", bucket: "", retryAfterMs: 0 });
  return wait(parts, call, taken.waitMs).finally(taken.done);
}

/** Who leaves the queue gives its place and its charge back when the call is settled. */
async function wait(parts: Parts, call: Call, ms: number): Promise<void> {
  const from = parts.clock();
  await pause(call, ms);
  const waited = parts.clock() - from;
  call.queuedMs += waited;
  call.waitedMs += waited;
  if (call.cut !== null) throw cutError(call.cut);
}

function note(call: Call, shaping: Shaping): void {
  call.shaping = shaping;
}

function shapedError(call: Call, { bucket, waitMs, neverFits }: Shortage): GatewayError {
  return new GatewayError(
    "traffic-shaped",
    neverFits
      ? "Cannot admit the call: it needs more than its traffic shape ever lets through"
      : "Cannot admit the call: calls of the key come too fast",
    {
      bucket: `caller.${bucket}`,
      queue_wait_ms: Math.round(call.queuedMs),
      ...(neverFits ? { never_fits: true, retryable: false } : { retry_after_ms: waitMs }),
    },
  );
}
