import type { BridgeFeature } from "@/core/bridge_features.ts";
import type { CacheMarker, Extra, Part, PartOf } from "@/core/chat.ts";
import { isObject, type Json, type JsonObject } from "@/core/json.ts";
import { MARKERS, readCacheMarker } from "../cache_marker.ts";
import { invalidField } from "../fields.ts";
import { imageAt, imageBarrier } from "../image_source.ts";
import { type Shape, unread } from "../unread.ts";

/** The dialect whose own fields `extra` holds here. */
export const CHAT = "openai-chat";

/** Features found that some bridges cannot carry. */
export type Barriers = Set<BridgeFeature>;

/** Parts that no other dialect carries, and what their absence is called. */
const MEDIA_BARRIERS: ReadonlyMap<Json | undefined, BridgeFeature> = new Map([
  ["file", "file"],
  ["input_audio", "audio"],
  ["input_video", "video"],
  ["video_url", "video"],
]);

const DETAILS = ["auto", "low", "high", "original"] as const;

/** What is read of a text, by its type. */
const TEXTS = {
  text: { type: true, text: true, ...MARKERS },
  refusal: { type: true, refusal: true, ...MARKERS },
} as const satisfies Readonly<Record<string, Shape>>;

/** What an object says beyond what is read of it. */
export function chatExtra(value: JsonObject, shape: Shape): Extra {
  const rest = unread(value, shape);
  return Object.keys(rest).length === 0 ? {} : { [CHAT]: rest };
}

/** The cache marker of an object, as members to spread. */
export function markerOf(value: JsonObject): { readonly cache?: CacheMarker } {
  const cache = readCacheMarker(value);
  return cache ? { cache } : {};
}

/**
 * Reads `content`: a text, a list of parts, or nothing.
 *
 * @throws {GatewayError} `invalid-request` naming what cannot be read
 */
export function readChatContent(
  content: Json | undefined,
  path: string,
  barriers: Barriers,
): readonly Part[] {
  if (content === undefined || content === null) return [];
  if (typeof content === "string") return [{ type: "text", text: content, extra: {} }];
  if (!Array.isArray(content)) throw invalidField(path, "a string or a list");
  return content.map((part, index) => readPart(part, `${path}[${index}]`, barriers));
}

function readPart(part: Json, path: string, barriers: Barriers): Part {
  if (typeof part === "string") return { type: "text", text: part, extra: {} };
  if (!isObject(part)) return opaquePart(part, "other", barriers);
  switch (part["type"]) {
    case "text":
      return readText(part, "text", path);
    case "refusal":
      return readText(part, "refusal", path);
    case "image_url":
      return readImage(part, path, barriers);
    default:
      return opaquePart(part, MEDIA_BARRIERS.get(part["type"]) ?? "other", barriers);
  }
}

function readText(part: JsonObject, type: "text" | "refusal", path: string): Part {
  const text = part[type];
  if (typeof text !== "string") throw invalidField(`${path}.${type}`, "a string");
  return {
    type,
    text,
    ...markerOf(part),
    extra: chatExtra(part, TEXTS[type]),
  };
}

function readImage(part: JsonObject, path: string, barriers: Barriers): PartOf<"image"> {
  const wrapper: JsonObject = isObject(part["image_url"])
    ? part["image_url"]
    : { url: part["image_url"] };
  const { url, file_id: fileId } = wrapper;
  const isFile = typeof fileId === "string" && (url ?? null) === null;
  if (!isFile && typeof url !== "string") {
    throw invalidField(`${path}.image_url.url`, "a string");
  }
  const source = typeof url === "string"
    ? imageAt(url)
    : { kind: "file", fileId: `${fileId}` } as const;
  const barrier = imageBarrier(source);
  if (barrier) barriers.add(barrier);
  const detail = DETAILS.find((known) => known === wrapper["detail"]);
  return {
    type: "image",
    source,
    ...(detail && { detail }),
    ...markerOf(part),
    extra: chatExtra(part, {
      type: true,
      image_url: {
        [isFile ? "file_id" : "url"]: true,
        detail: detail !== undefined,
      },
      ...MARKERS,
    }),
  };
}

function opaquePart(value: Json, barrier: BridgeFeature, barriers: Barriers): PartOf<"opaque"> {
  barriers.add(barrier);
  return { type: "opaque", dialect: CHAT, value, extra: {} };
}
