import { type Call, cutError, type Parts } from "./call.ts";
import { GatewayError } from "./errors.ts";
import type { CallerShape } from "./limits/caller_shapes.ts";
import {
  pacesTokens,
  type ShapeCharge,
  type Shaping,
  type Shortage,
  tokenCharge,
} from "./limits/shape.ts";
import { pause } from "./pause.ts";
import { ownAccount, reservedTokens } from "./reserve.ts";

const ONE_START: ShapeCharge = { request_start_per_sec: 1 };

/**
 * Paces the start of a call, and may make it wait.
 *
 * @throws {GatewayError} `traffic-shaped`, or that the call was cut while it waited
 */
export function shapeStart(parts: Parts, call: Call): Promise<void> | undefined {
  const { shape } = call.credential.caller;
  if (shape?.sizes.request_start_per_sec === undefined) return undefined;
  return shapeBy(parts, call, { shape, charge: ONE_START, cost: 1 });
}

/**
 * Paces the tokens a call reserved, and may make it wait.
 *
 * @throws {GatewayError} `traffic-shaped`, or that the call was cut while it waited
 */
export function shapeTokens(parts: Parts, call: Call): Promise<void> | undefined {
  const { shape } = call.credential.caller;
  if (shape === null || !pacesTokens(shape.sizes)) return undefined;
  const tokens = reservedTokens(call);
  const cost = tokens.input + tokens.output;
  return shapeBy(parts, call, { shape, charge: tokenCharge(tokens), cost });
}

interface Pacing {
  readonly shape: CallerShape;
  readonly charge: ShapeCharge;
  /** Units asked for: calls, or tokens. */
  readonly cost: number;
}

function shapeBy(
  parts: Parts,
  call: Call,
  { shape, charge, cost }: Pacing,
): Promise<void> | undefined {
  const ts = parts.now();
  const taken = parts.callerShapes.enter(ownAccount(parts, call).pace, shape, charge);
  if ("bucket" in taken) {
    const retryAfterMs = Number.isFinite(taken.waitMs) ? taken.waitMs : 0;
    const bucket = `caller.${taken.bucket}`;
    call.shapings.push({ decision: "rejected", bucket, retryAfterMs, cost, ts, queuedMs: 0 });
    throw shapedError(call, taken);
  }
  call.shaped.push(taken);
  const decision = taken.waitMs === 0 ? "admitted" : "queued";
  const shaping: Shaping = { decision, bucket: "", retryAfterMs: 0, cost, ts, queuedMs: 0 };
  call.shapings.push(shaping);
  if (taken.waitMs === 0) return undefined;
  return wait(parts, call, shaping, taken.waitMs).finally(() => taken.done());
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
