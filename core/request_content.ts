import { Buffer } from "node:buffer";
import type { Call } from "./call.ts";
import type { Part } from "./chat.ts";
import { GatewayError } from "./errors.ts";
import { isObject, type Json, type JsonObject } from "./json.ts";
import { readDecoded } from "./open_bridge.ts";
import type { RouteContext } from "./strategy.ts";

/** Most bytes of text and request together. */
const MAX_BYTES = 262_144;

/** What the parts of the three wire formats are that hold media, by their `type`. */
const MEDIA: ReadonlyMap<unknown, "image" | "audio" | "video" | "file"> = new Map([
  ["computer_screenshot", "image"],
  ["document", "file"],
  ["file", "file"],
  ["image", "image"],
  ["image_generation_call", "image"],
  ["image_url", "image"],
  ["input_audio", "audio"],
  ["input_file", "file"],
  ["input_image", "image"],
  ["input_video", "video"],
  ["video_url", "video"],
]);

/** What a policy sees of a request beside its features. */
export type RequestContent = Pick<Required<RouteContext>, "text" | "truncated"> & {
  readonly request?: JsonObject;
};

/**
 * The words of a request and the request itself, without its media. When they are too long together,
 * the request stays away and the words keep their end.
 */
export function requestContent(call: Call): RequestContent {
  const text = textOf(call);
  const request = withoutMedia(call.wire?.body ?? {});
  const bytes = Buffer.byteLength(text) + Buffer.byteLength(JSON.stringify(request));
  if (bytes <= MAX_BYTES) return { text, request, truncated: false };
  return { text: endOf(text), truncated: true };
}

/** System text, messages and tool results, each on lines of its own. */
function textOf(call: Call): string {
  const decoded = readDecoded(call);
  if (decoded instanceof GatewayError) return "";
  const { instructions, messages } = decoded.request;
  return [...instructions, ...messages.flatMap(({ parts }) => parts)].flatMap(textsOf).join("\n");
}

function textsOf(part: Part): readonly string[] {
  switch (part.type) {
    case "text":
    case "refusal":
      return [part.text];
    case "tool_result":
      return part.parts.flatMap(textsOf);
    default:
      return [];
  }
}

function endOf(text: string): string {
  const bytes = Buffer.from(text);
  if (bytes.length <= MAX_BYTES) return text;
  let start = bytes.length - MAX_BYTES;
  // Not inside a character.
  while ((bytes[start]! & 0b1100_0000) === 0b1000_0000) start++;
  return bytes.toString("utf8", start);
}

function withoutMedia(body: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(body).map(([key, value]) => [key, omitMedia(value)]));
}

function omitMedia(value: Json | undefined): Json {
  if (Array.isArray(value)) return value.map((item) => omitMedia(item));
  if (!isObject(value)) return value ?? null;
  const kind = MEDIA.get(value["type"]);
  if (kind === undefined) return withoutMedia(value);
  return { omitted: kind, bytes: Buffer.byteLength(JSON.stringify(value)) };
}
