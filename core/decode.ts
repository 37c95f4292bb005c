import { readBody } from "./body.ts";
import { type Call, cutError, type Parts } from "./call.ts";
import { GatewayError } from "./errors.ts";
import { readWire } from "./scan.ts";
import type { WireRequest } from "./wire.ts";

/**
 * Step 2: reads the body and what it asks for. The original bytes are kept.
 *
 * @throws {GatewayError} `request-too-large`, `request-timeout`, `invalid-request` and the dialect's
 * other 400s, or `shutting-down` for a body that was on the way
 */
export async function decode(parts: Parts, call: Call, request: Request): Promise<void> {
  const { maxRequestBytes, bodyTimeoutMs } = call.snapshot.server;
  const waitedFrom = parts.clock();
  const { deadlines } = parts;
  const limits = { maxBytes: maxRequestBytes, timeoutMs: bodyTimeoutMs, deadlines };
  let bytes: Uint8Array<ArrayBuffer>;
  try {
    bytes = await readBody(request, limits);
  } catch (error) {
    throw brokenOff(parts, call, error);
  } finally {
    call.waitedMs += parts.clock() - waitedFrom;
  }
  const wire = spoken(parts, call, readWire(bytes));
  call.wire = wire;
  call.requestedModel = modelOf(wire.body["model"]);
  call.wireFeatures = call.dialect.features(wire);
}

/** A server that stops ends bodies that are on the way, as if their callers had left. */
function brokenOff({ drain }: Parts, { cut }: Call, error: unknown): unknown {
  const left = error instanceof GatewayError && error.type === "client-closed-request";
  return left && drain.draining && cut === null ? cutError("shutting-down") : error;
}

/** From here on a tolerated body of another dialect is a call of that one in every respect. */
function spoken(parts: Parts, call: Call, wire: WireRequest): WireRequest {
  if (!call.snapshot.server.toleratesResponsesBody) return wire;
  const other = call.dialect.readAsOther?.(wire);
  if (!other) return wire;
  call.dialect = parts.dialects.get(other.dialect);
  return other.wire;
}

function modelOf(value: unknown): string {
  if (value === undefined || value === null) return "";
  if (typeof value === "string") return value;
  throw new GatewayError("invalid-request", "Cannot read model: expected a string", {
    reason: "wrong-type",
    path: "model",
  });
}
