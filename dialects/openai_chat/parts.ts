import type { BridgeFeature } from "@/core/bridge_features.ts";
import type { CacheMarker, Extra, Part, PartOf } from "@/core/chat.ts";
import { isObject, type Json, type JsonObject } from "@/core/json.ts";
import { MARKER_KEYS, readCacheMarker } from "../cache_marker.ts";
import { invalidField } from "../fields.ts";
import { imageAt, imageBarrier } from "../image_source.ts";

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

/** What an object says beyond its mapped members; cache markers are always mapped. */
export function chatExtra(value: JsonObject, mapped: readonly string[]): Extra {
  const rest = Object.entries(value).filter(([key]) =>
    !mapped.includes(key) && !MARKER_KEYS.some((marker) => marker === key)
  );
  return rest.length === 0 ? {} : { [CHAT]: Object.fromEntries(rest) };
}

/** As `chatExtra`, for an object that says most in a member of its own, as `function` of a tool. */
export function nestedExtra(
  value: JsonObject,
  mapped: readonly string[],
  { key, inner, read }: {
    readonly key: string;
    readonly inner: JsonObject;
    readonly read: readonly string[];
  },
): Extra {
  const own = { ...chatExtra(value, [...mapped, key])[CHAT] };
  const nested = chatExtra(inner, read)[CHAT];
  const all = { ...own, ...(nested && { [key]: nested }) };
  return Object.keys(all).length === 0 ? {} : { [CHAT]: all };
}

/** A written object with what `nestedExtra` kept of it. */
export function withNested(written: JsonObject, key: string, extra: Extra): JsonObject {
  const own = extra[CHAT] ?? {};
  const [inner, nested] = [written[key], own[key]];
  const both = isObject(inner) && isObject(nested) && { [key]: { ...inner, ...nested } };
  return { ...written, ...own, ...both };
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
  return { type, text, ...markerOf(part), extra: chatExtra(part, ["type", type]) };
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
    extra: nestedExtra(part, ["type"], {
      key: "image_url",
      inner: wrapper,
      read: ["url", "file_id", "detail"],
    }),
  };
}

function opaquePart(value: Json, barrier: BridgeFeature, barriers: Barriers): PartOf<"opaque"> {
  barriers.add(barrier);
  return { type: "opaque", dialect: CHAT, value, extra: {} };
}
