import { readBody } from "./body.ts";
import type { Call, Parts } from "./call.ts";
import { GatewayError } from "./errors.ts";
import { readWire } from "./scan.ts";
import type { WireRequest } from "./wire.ts";

/**
 * Step 2: reads the body and what it asks for. The original bytes are kept.
 *
 * @throws {GatewayError} `request-too-large`, `request-timeout`, `invalid-request` and the dialect's
 * other 400s
 */
export async function decode(parts: Parts, call: Call, request: Request): Promise<void> {
  const { maxRequestBytes, bodyTimeoutMs } = call.snapshot.server;
  const waitedFrom = parts.clock();
  const bytes = await readBody(request, {
    maxBytes: maxRequestBytes,
    timeoutMs: bodyTimeoutMs,
    deadlines: parts.deadlines,
  });
  call.waitedMs += parts.clock() - waitedFrom;
  const wire = spoken(parts, call, readWire(bytes));
  call.wire = wire;
  call.requestedModel = modelOf(wire.body["model"]);
  call.wireFeatures = call.dialect.features(wire);
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
