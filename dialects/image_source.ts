import type { BridgeFeature } from "@/core/bridge_features.ts";
import type { ImageSource } from "@/core/chat.ts";

/** Head of a data URL with nothing but a media type and base64. */
const BASE64_URL = /^data:([^;,]+);base64,/i;
/** Media types that every dialect reads. */
const COMMON_TYPE = /^image\/(?:jpeg|png|gif|webp)$/i;

/** The image at a URL of the OpenAI dialects: a base64 data URL holds its bytes itself. */
export function imageAt(url: string): ImageSource {
  const head = BASE64_URL.exec(url);
  if (!head) return { kind: "url", url };
  return { kind: "base64", mediaType: head[1]!, data: url.slice(head[0].length) };
}

/** The URL of an image that is no file; the inverse of `imageAt`. */
export function imageUrl(source: Exclude<ImageSource, { readonly kind: "file" }>): string {
  return source.kind === "url" ? source.url : `data:${source.mediaType};base64,${source.data}`;
}

/** What keeps an image from crossing some bridges, or `null`. */
export function imageBarrier(source: ImageSource): BridgeFeature | null {
  if (source.kind === "file") return "image-file";
  if (source.kind === "base64") return COMMON_TYPE.test(source.mediaType) ? null : "image-type";
  return /^data:/i.test(source.url) ? "image-type" : null;
}
