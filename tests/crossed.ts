import { bridgeReasons } from "@/core/bridge_features.ts";
import type { EncodedRequest } from "@/core/dialect.ts";
import type { DialectName } from "@/core/dialect_name.ts";
import type { Json } from "@/core/json.ts";
import { lowerTools } from "@/core/tool_table.ts";
import { dialects } from "@/dialects/mod.ts";
import { plainTarget, type TargetChanges, wireOf } from "./dialect_target.ts";

/** What a body became over a bridge, as it goes upstream, and why it may not cross. */
interface Crossed extends EncodedRequest {
  readonly reasons: readonly string[];
}

/**
 * Sends a body over the bridge between two dialects.
 *
 * @throws {GatewayError} when it cannot be read, or the far wire cannot hold it
 */
export function crossed(
  [from, to]: readonly [DialectName, DialectName],
  body: Json,
  changes: TargetChanges = {},
): Crossed {
  const { request, barriers } = dialects.get(from).decodeRequest(wireOf(JSON.stringify(body)));
  const far = dialects.get(to);
  const lowered = lowerTools({ ...request, model: "up-1" }, far.toolLimits);
  const encoded = far.encodeRequest(lowered.request, plainTarget(to, changes));
  return {
    reasons: bridgeReasons(barriers, to),
    body: JSON.parse(JSON.stringify(encoded.body)),
    events: [...lowered.events, ...encoded.events],
  };
}
