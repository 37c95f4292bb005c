import type { CacheMarker } from "@/core/chat.ts";
import { isObject, type JsonObject } from "@/core/json.ts";

/** How a wire spells a prompt cache marker. */
export type MarkerSpelling = CacheMarker["spelling"];

/** The members of parts, items and tools that hold a marker. */
export const MARKER_KEYS: readonly MarkerSpelling[] = ["cache_control", "prompt_cache_breakpoint"];

/** Lifetimes that each spelling knows; another one is left out. */
const LIFETIMES: Readonly<Record<MarkerSpelling, readonly string[]>> = {
  "cache_control": ["5m", "1h"],
  "prompt_cache_breakpoint": ["30m", "12h"],
};

/** The marker of a part, item or tool, in either spelling; `undefined` when it has none. */
export function readCacheMarker(value: JsonObject): CacheMarker | undefined {
  for (const spelling of MARKER_KEYS) {
    const marker = value[spelling];
    if (!isObject(marker)) continue;
    const { ttl } = marker;
    return typeof ttl === "string" ? { ttl, spelling } : { spelling };
  }
  return undefined;
}

/** The member that marks a part in a spelling, as an object to spread. */
export function markerMember(marker: CacheMarker, spelling: MarkerSpelling): JsonObject {
  const kept = marker.ttl !== undefined && LIFETIMES[spelling].includes(marker.ttl);
  const ttl = kept ? { ttl: marker.ttl } : {};
  return spelling === "cache_control"
    ? { cache_control: { type: "ephemeral", ...ttl } }
    : { prompt_cache_breakpoint: { mode: "explicit", ...ttl } };
}
