import type { Call } from "../call.ts";
import type { Group } from "../snapshot.ts";
import type { CacheReason } from "./entry.ts";

/** Everything that stands against an answer from the cache. */
export function bypassReasons(call: Call, group: Group): readonly CacheReason[] {
  const { wire, wireFeatures: features } = call;
  if (!group.cache.enabled || !wire || !features) return OFF;
  const { body } = wire;
  const reasons: CacheReason[] = [];
  if (features.stream) reasons.push("cache-streaming");
  if (features.toolCount > 0 || features.hasToolResults || features.hostedTools.length > 0) {
    reasons.push("cache-tool-request");
  }
  if (features.inputModalities.some((kind) => kind !== "text")) reasons.push("cache-image-request");
  if (features.structuredOutput !== "none") reasons.push("cache-structured-output");
  const stateful = features.previousResponseId || body["store"] === true ||
    (body["conversation"] ?? null) !== null;
  if (stateful) reasons.push("cache-stateful");
  if (group.cache.requireZeroTemperature && body["temperature"] !== 0) {
    reasons.push("cache-temperature");
  }
  if (refuses(call, "no-cache") || refuses(call, "no-store")) {
    reasons.push("cache-request-no-cache");
  }
  return reasons;
}

const OFF: readonly CacheReason[] = ["cache-disabled"];

/** Whether a reply may be kept although the cache was bypassed: the caller only wants a new one. */
export function keepsAnyway(call: Call, reasons: readonly CacheReason[]): boolean {
  return reasons.length === 1 && reasons[0] === "cache-request-no-cache" &&
    !refuses(call, "no-store");
}

/** Whether the caller's `Cache-Control` has a directive. */
function refuses({ headers }: Call, directive: "no-cache" | "no-store"): boolean {
  const control = headers.get("cache-control");
  if (control === null) return false;
  return control.toLowerCase().split(",").some((word) => word.trim() === directive);
}
