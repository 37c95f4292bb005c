import type { BridgeFeature } from "@/core/bridge_features.ts";
import type { Extra, ImageSource, Part } from "@/core/chat.ts";
import { isObject, type Json, type JsonObject } from "@/core/json.ts";
import { MARKERS, readCacheMarker } from "../cache_marker.ts";
import { argumentsText } from "../exact_json.ts";
import { booleanField, invalidField, objectField, textField } from "../fields.ts";
import { typeOf } from "../hosted_tools.ts";
import { imageBarrier } from "../image_source.ts";
import { anthropicProof, proofOfRedacted } from "../proofs.ts";
import { type Shape, unread, wholly } from "../unread.ts";

/** What reading content blocks found beside the parts. */
export type Barriers = Set<BridgeFeature>;

/** What is read of a block, by its type; the rest stays with the part. */
const READ: Readonly<Record<string, Shape>> = {
  text: { ...wholly("type", "text"), ...MARKERS },
  image: { type: true, source: sourceShape, ...MARKERS },
  thinking: wholly("type", "thinking", "signature"),
  redacted_thinking: wholly("type", "data"),
  tool_use: { ...wholly("type", "id", "name", "input"), ...MARKERS },
  tool_result: { ...wholly("type", "tool_use_id", "content", "is_error"), ...MARKERS },
};

/**
 * Reads content: a text, or a list of blocks.
 *
 * @param path where it stands in the request, for errors
 * @throws {GatewayError} `invalid-request` naming the block that cannot be read
 */
export function decodeContent(
  content: Json | undefined,
  { path, barriers }: { readonly path: string; readonly barriers: Barriers },
): readonly Part[] {
  if (content === undefined || content === null || content === "") return [];
  if (typeof content === "string") return [{ type: "text", text: content, extra: {} }];
  if (!Array.isArray(content)) throw invalidField(path, "a string or a list");
  return content.map((block, index) => {
    const at = `${path}[${index}]`;
    if (!isObject(block)) throw invalidField(at, "an object");
    return decodeBlock(block, { path: at, barriers });
  });
}

/** Reads one content block; a block without a neutral meaning stays as it is. */
export function decodeBlock(
  block: JsonObject,
  { path, barriers }: { readonly path: string; readonly barriers: Barriers },
): Part {
  const cache = readCacheMarker(block);
  const base = { ...(cache && { cache }), extra: extraOf(block) };
  const text = (key: string) => textField(block, key, `${path}.${key}`) ?? "";
  switch (block["type"]) {
    case "text":
      return { type: "text", text: text("text"), ...base };
    case "image":
      return decodeImage(block, { path, barriers, base });
    case "thinking": {
      const signature = text("signature");
      const proof = signature !== "" && { proof: anthropicProof("signature", signature) };
      return { type: "reasoning", text: text("thinking"), summary: false, ...proof, ...base };
    }
    case "redacted_thinking": {
      const proof = proofOfRedacted(text("data"));
      return { type: "reasoning", text: "", summary: false, proof, ...base };
    }
    case "tool_use": {
      const input = argumentsText(block["input"]);
      return {
        type: "tool_call",
        id: text("id"),
        name: text("name"),
        form: "function",
        input,
        ...base,
      };
    }
    case "tool_result":
      return {
        type: "tool_result",
        callId: text("tool_use_id"),
        form: "function",
        parts: decodeContent(block["content"], { path: `${path}.content`, barriers }),
        isError: booleanField(block, "is_error", `${path}.is_error`) === true,
        ...base,
      };
    default:
      for (const barrier of opaqueBarriers(block)) barriers.add(barrier);
      return { type: "opaque", dialect: "anthropic", value: block, ...base };
  }
}

function decodeImage(
  block: JsonObject,
  { path, barriers, base }: {
    readonly path: string;
    readonly barriers: Barriers;
    readonly base: Pick<Part, "cache" | "extra">;
  },
): Part {
  const source = imageSource(objectField(block, "source", `${path}.source`) ?? {});
  if (!source) {
    barriers.add("other");
    return { type: "opaque", dialect: "anthropic", value: block, ...base };
  }
  const barrier = imageBarrier(source);
  if (barrier) barriers.add(barrier);
  return { type: "image", source, ...base };
}

function imageSource(source: JsonObject): ImageSource | null {
  const { type, url, data } = source;
  const mediaType = source["media_type"];
  const fileId = source["file_id"];
  if (type === "url" && typeof url === "string") return { kind: "url", url };
  if (type === "file" && typeof fileId === "string") return { kind: "file", fileId };
  if (type !== "base64" || typeof mediaType !== "string" || typeof data !== "string") return null;
  return { kind: "base64", mediaType, data };
}

function sourceShape(source: Json): Shape {
  const type = typeOf(source);
  if (type === "url") return wholly("type", "url");
  return type === "file" ? wholly("type", "file_id") : wholly("type", "media_type", "data");
}

function extraOf(block: JsonObject): Extra {
  const type = typeOf(block);
  return Object.hasOwn(READ, type) ? ownExtra(unread(block, READ[type]!)) : {};
}

/** Members that only this dialect understands, as what a part, a tool or a turn keeps of them. */
export function ownExtra(members: JsonObject): Extra {
  return Object.keys(members).length === 0 ? {} : { anthropic: members };
}

/** What keeps a block that is no part from crossing. */
function opaqueBarriers(block: JsonObject): readonly BridgeFeature[] {
  const type = typeOf(block);
  if (type === "document") return citationsOn(block) ? ["file", "citations"] : ["file"];
  if (type === "search_result") return ["citations"];
  if (type === "container_upload" || type === "compaction") return ["stored-state"];
  const hosted = /^(server|mcp)_tool_use$|_tool_result$/.test(type);
  return [hosted ? "hosted-tools" : "other"];
}

function citationsOn(block: JsonObject): boolean {
  const { citations } = block;
  return isObject(citations) && citations["enabled"] === true;
}
