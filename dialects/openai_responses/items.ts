import type { Extra, Part, PartOf, Tool } from "@/core/chat.ts";
import { isObject, type Json, type JsonObject, textOrEmpty } from "@/core/json.ts";
import { MARKERS } from "../cache_marker.ts";
import { proofOfEncrypted } from "../proofs.ts";
import { isText, type Shape, unread, wholly } from "../unread.ts";

/** The dialect whose own fields `extra` holds here. */
export const RESPONSES = "openai-responses";

const TEXTS: Shape = {
  type: (type) => type === "summary_text" || type === "reasoning_text",
  text: true,
};
const CALL = { ...wholly("type", "call_id", "name"), namespace: isText, ...MARKERS };
const OUTPUT = { ...wholly("type", "call_id", "output"), ...MARKERS };

/** What is read of an item, by its type. */
const READ: Readonly<Record<string, Shape>> = {
  "message": { ...wholly("type", "role", "content"), ...MARKERS },
  "reasoning": { ...wholly("type", "encrypted_content"), summary: TEXTS, content: TEXTS },
  "function_call": { ...CALL, arguments: true },
  "custom_tool_call": { ...CALL, input: true },
  "function_call_output": OUTPUT,
  "custom_tool_call_output": OUTPUT,
};

/** What an item says beyond its neutral meaning: `id`, `status`, `phase` and unknown members. */
export function itemExtra(item: JsonObject, type: string): Extra {
  return responsesExtra(item, READ[type] ?? {});
}

/** What an object says beyond what is read of it; there even when it is nothing. */
export function responsesExtra(value: JsonObject, shape: Shape): Extra {
  return { [RESPONSES]: unread(value, shape) };
}

/** An object without some members. */
export function omit(value: JsonObject, keys: readonly string[]): JsonObject {
  return Object.fromEntries(Object.entries(value).filter(([key]) => !keys.includes(key)));
}

/** The own fields in an `extra`; empty when another dialect made it. */
export function ownFields(extra: Extra): JsonObject {
  return extra[RESPONSES] ?? {};
}

/**
 * Reads an item that a model made, from a reply or from a history. A message gives a part for each
 * piece of its content, everything else one part. Missing texts are empty; never throws.
 */
export function readModelItem(item: JsonObject): readonly Part[] {
  switch (item["type"] ?? "message") {
    case "message":
      return readMessageContent(item);
    case "reasoning":
      return [readReasoningItem(item)];
    case "function_call":
    case "custom_tool_call":
      return [readCallItem(item)];
    default:
      return [opaqueItem(item)];
  }
}

/** An item that only this wire carries. */
export function opaqueItem(value: JsonObject): PartOf<"opaque"> {
  return { type: "opaque", dialect: RESPONSES, value, isItem: true, extra: {} };
}

/** A piece of a message that only this wire carries. */
export function opaquePiece(value: JsonObject, extra: Extra): PartOf<"opaque"> {
  return { type: "opaque", dialect: RESPONSES, value, extra };
}

/** A tool that only this wire carries. */
export function opaqueTool(value: JsonObject): Tool {
  return { form: "opaque", dialect: RESPONSES, value, extra: {} };
}

function readMessageContent(item: JsonObject): readonly Part[] {
  const { content } = item;
  const extra = itemExtra(item, "message");
  if (typeof content === "string") return [{ type: "text", text: content, extra }];
  return Array.isArray(content) ? content.map((piece) => readModelPiece(piece, extra)) : [];
}

/** A piece of a message that a model made; its own extra fields stand beside the item's. */
export function readModelPiece(piece: Json, extra: Extra): Part {
  if (typeof piece === "string") return { type: "text", text: piece, extra };
  const value = isObject(piece) ? piece : {};
  switch (value["type"]) {
    case "refusal":
      return {
        type: "refusal",
        text: textOrEmpty(value["refusal"]),
        extra: pieceExtra(value, extra),
      };
    case "output_text":
    case "input_text":
    case "text":
      return { type: "text", text: textOrEmpty(value["text"]), extra: pieceExtra(value, extra) };
    default:
      return opaquePiece(value, extra);
  }
}

const isNothing = () => false;

/** What is read of a piece of text; empty lists say nothing. */
const PIECE = { type: true, annotations: isNothing, logprobs: isNothing, ...MARKERS };
const TEXT: Shape = { ...PIECE, text: true };
const REFUSAL: Shape = { ...PIECE, refusal: true };

/** The `extra` of a piece: that of its item, and what the piece says beyond its neutral meaning. */
export function pieceExtra(
  piece: JsonObject,
  extra: Extra,
  shape = piece["type"] === "refusal" ? REFUSAL : TEXT,
): Extra {
  const rest = unread(piece, shape);
  if (Object.keys(rest).length === 0) return extra;
  return { [RESPONSES]: ownFields(extra), beside: rest };
}

/** Reads a `function_call` or `custom_tool_call` item. */
export function readCallItem(item: JsonObject): PartOf<"tool_call"> {
  const custom = item["type"] === "custom_tool_call";
  const namespace = item["namespace"];
  return {
    type: "tool_call",
    id: textOrEmpty(item["call_id"]),
    name: textOrEmpty(item["name"]),
    ...(typeof namespace === "string" && { namespace }),
    form: custom ? "custom" : "function",
    input: textOrEmpty(custom ? item["input"] : item["arguments"]),
    extra: itemExtra(item, custom ? "custom_tool_call" : "function_call"),
  };
}

/** Reads a `reasoning` item: its summaries and its texts are one text, joined by blank lines. */
export function readReasoningItem(item: JsonObject): PartOf<"reasoning"> {
  const encrypted = textOrEmpty(item["encrypted_content"]);
  const id = textOrEmpty(item["id"]);
  const proof = encrypted === "" ? null : proofOfEncrypted(encrypted, id === "" ? undefined : id);
  return {
    type: "reasoning",
    text: reasoningSections(item).map(([, text]) => text).filter((text) => text !== "")
      .join("\n\n"),
    summary: true,
    ...(proof && { proof }),
    extra: itemExtra(item, "reasoning"),
  };
}

/** The texts of a reasoning item with the keys under which a stream names them. */
export function reasoningSections(item: JsonObject): readonly (readonly [string, string])[] {
  return (["summary", "content"] as const).flatMap((field) => {
    const list = item[field];
    return Array.isArray(list)
      ? list.map((piece, index) => {
        const text = isObject(piece) ? piece["text"] : piece;
        return [`${field}${index}`, textOrEmpty(text)] as const;
      })
      : [];
  });
}
