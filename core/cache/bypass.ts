import type { Call } from "../call.ts";
import type { Group } from "../snapshot.ts";

/** Why a call is not answered from the cache; a closed list. */
export type BypassReason =
  | "cache-disabled"
  | "cache-request-no-cache"
  | "cache-streaming"
  | "cache-tool-request"
  | "cache-image-request"
  | "cache-structured-output"
  | "cache-stateful"
  | "cache-temperature";

/** What stands against an answer from the cache; `null`: nothing. `no-store` is in `noStore`. */
export function bypassReason(call: Call, group: Group): BypassReason | null {
  const { wire, wireFeatures: features } = call;
  if (!group.cache.enabled || !wire || !features) return "cache-disabled";
  const { body } = wire;
  if (features.stream) return "cache-streaming";
  if (features.toolCount > 0 || features.hasToolResults || features.hostedTools.length > 0) {
    return "cache-tool-request";
  }
  if (features.inputModalities.some((kind) => kind !== "text")) return "cache-image-request";
  if (features.structuredOutput !== "none") return "cache-structured-output";
  const stateful = features.previousResponseId || body["store"] === true ||
    (body["conversation"] ?? null) !== null;
  if (stateful) return "cache-stateful";
  if (group.cache.requireZeroTemperature && body["temperature"] !== 0) return "cache-temperature";
  return refuses(call, "no-cache") || refuses(call, "no-store") ? "cache-request-no-cache" : null;
}

/** Whether the caller's `Cache-Control` has a directive. */
export function refuses({ headers }: Call, directive: "no-cache" | "no-store"): boolean {
  const control = headers.get("cache-control");
  if (control === null) return false;
  return control.toLowerCase().split(",").some((word) => word.trim() === directive);
}
