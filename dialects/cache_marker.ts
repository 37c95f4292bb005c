import type { CacheMarker } from "@/core/chat.ts";
import { isObject, type JsonObject } from "@/core/json.ts";
import type { FieldEvent } from "@/core/wire.ts";
import { isText, type Shape } from "./unread.ts";

/** How a wire spells a prompt cache marker. */
export type MarkerSpelling = CacheMarker["spelling"];

/** The members of parts, items and tools that hold a marker. */
const MARKER_KEYS: readonly MarkerSpelling[] = ["cache_control", "prompt_cache_breakpoint"];

/** What is read of the markers of a part, item or tool. */
export const MARKERS = {
  cache_control: (marker) =>
    isObject(marker) && { type: (type) => type === "ephemeral", ttl: isText },
  prompt_cache_breakpoint: (marker) =>
    isObject(marker) && { mode: (mode) => mode === "explicit", ttl: isText },
} as const satisfies Shape;

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

/**
 * The member that marks a part in a spelling, as an object to spread.
 *
 * @param note told when the spelling does not know the lifetime
 */
export function markerMember(
  marker: CacheMarker,
  spelling: MarkerSpelling,
  note: (event: FieldEvent) => void,
): JsonObject {
  const kept = marker.ttl === undefined || LIFETIMES[spelling].includes(marker.ttl);
  if (!kept) note({ field: "ttl", action: "stripped", reason: "no-counterpart" });
  const ttl = kept && marker.ttl !== undefined ? { ttl: marker.ttl } : {};
  return spelling === "cache_control"
    ? { cache_control: { type: "ephemeral", ...ttl } }
    : { prompt_cache_breakpoint: { mode: "explicit", ...ttl } };
}
