import type { BridgeFeature } from "@/core/bridge_features.ts";
import type { CacheMarker, Extra, Message, Part, PartOf } from "@/core/chat.ts";
import { isObject, type Json, type JsonObject, textOrEmpty } from "@/core/json.ts";
import { MARKERS, readCacheMarker } from "../cache_marker.ts";
import { invalidField, objectListField } from "../fields.ts";
import { imageAt, imageBarrier } from "../image_source.ts";
import { wholly } from "../unread.ts";
import {
  itemExtra,
  opaqueItem,
  opaquePiece,
  ownFields,
  pieceExtra,
  readCallItem,
  readReasoningItem,
  RESPONSES,
  responsesExtra,
} from "./items.ts";

type Barriers = Set<BridgeFeature>;

/** An item as it is read: whose turn it is part of, and what it adds to it. */
interface Turn {
  readonly role: Message["role"];
  readonly parts: readonly Part[];
  readonly extra: Extra;
}

const ROLES = ["system", "developer", "user", "assistant"] as const;
const OUTPUTS = ["function_call_output", "custom_tool_call_output"];
const CALL_FIELDS = { "function_call": "arguments", "custom_tool_call": "input" } as const;
const DETAILS = ["auto", "low", "high", "original"] as const;

const EMPTY_TURN = wholly("type", "role", "content");

/** Items that no bridge carries, and the feature they stand for; others are `other`. */
const OPAQUE_ITEMS: readonly (readonly [RegExp, BridgeFeature])[] = [
  [/^(?:item_reference|compaction|compaction_summary|compaction_trigger)$/, "stored-state"],
  [
    /^(?:apply_patch|shell|local_shell|tool_search|computer)(?:_call)?(?:_output)?$/,
    "typed-tools",
  ],
  [/^(?:web_search|file_search|code_interpreter|image_generation|mcp)_call$/, "hosted-tools"],
];

/** Pieces of content that no bridge carries. */
const OPAQUE_PIECES: ReadonlyMap<string, BridgeFeature> = new Map([
  ["input_audio", "audio"],
  ["input_file", "file"],
  ["input_video", "video"],
]);

/**
 * Reads `input`: a text is one turn of the user; what the model made, item after item, is one turn.
 *
 * @throws {GatewayError} `invalid-request` naming what cannot be read
 */
export function readTurns(body: JsonObject, barriers: Barriers): readonly Message[] {
  const { input } = body;
  if (typeof input === "string") {
    return [{ role: "user", parts: [plainText(input)], extra: { [RESPONSES]: {} } }];
  }
  const messages: { role: Message["role"]; readonly parts: Part[]; extra: Extra }[] = [];
  objectListField(body, "input").forEach((item, index) => {
    const { role, parts, extra } = readItem(item, `input[${index}]`, barriers);
    const last = messages.at(-1);
    if (role === "assistant" && last?.role === "assistant") {
      for (const part of parts) last.parts.push(part);
      if (parts.length === 0) last.extra = joined(last.extra, extra);
    } else messages.push({ role, parts: [...parts], extra });
  });
  return messages;
}

function readItem(item: JsonObject, path: string, barriers: Barriers): Turn {
  const type = textOrEmpty(item["type"]) || "message";
  if (type === "message") return readMessage(item, path, barriers);
  if (type === "reasoning") return modelTurn(readReasoningItem(item));
  if (type === "function_call" || type === "custom_tool_call") {
    requireText(item, "name", path);
    requireText(item, "call_id", path);
    requireText(item, CALL_FIELDS[type], path);
    return modelTurn(marked(readCallItem(item), readCacheMarker(item)));
  }
  if (OUTPUTS.includes(type)) return readResult(item, path, barriers);
  barriers.add(OPAQUE_ITEMS.find(([pattern]) => pattern.test(type))?.[1] ?? "other");
  const opaque = opaqueItem(item);
  return type.endsWith("_output")
    ? { role: "tool", parts: [opaque], extra: { [RESPONSES]: {} } }
    : modelTurn(opaque);
}

function joined(extra: Extra, more: Extra): Extra {
  return { [RESPONSES]: { ...ownFields(extra), ...ownFields(more) } };
}

function modelTurn(part: Part): Turn {
  return { role: "assistant", parts: [part], extra: { [RESPONSES]: {} } };
}

function readMessage(item: JsonObject, path: string, barriers: Barriers): Turn {
  const role = ROLES.find((known) => known === item["role"]);
  if (!role) throw invalidField(`${path}.role`, "user, assistant, system or developer");
  const own = itemExtra(item, "message");
  const byModel = role === "assistant";
  const read = readContent(item["content"] ?? null, {
    path: `${path}.content`,
    barriers,
    extra: byModel ? own : {},
  });
  // What has no part to stand with stays with the turn.
  if (read.length === 0) return { role, parts: [], extra: responsesExtra(item, EMPTY_TURN) };
  const parts = markLast(read, readCacheMarker(item));
  return { role, parts, extra: byModel ? { [RESPONSES]: {} } : own };
}

/** What reading content needs besides it. */
interface Reading {
  readonly path: string;
  readonly barriers: Barriers;
  /** The `extra` of the item, on each of its pieces. */
  readonly extra: Extra;
}

function readContent(content: Json, reading: Reading): readonly Part[] {
  if (typeof content === "string") return [{ ...plainText(content), extra: reading.extra }];
  if (content === null) return [];
  if (!Array.isArray(content)) throw invalidField(reading.path, "a string or a list");
  return content.map((piece, index) =>
    readPiece(piece, { ...reading, path: `${reading.path}[${index}]` })
  );
}

function readPiece(piece: Json, reading: Reading): Part {
  if (typeof piece === "string") return { ...plainText(piece), extra: reading.extra };
  if (!isObject(piece)) throw invalidField(reading.path, "an object");
  const type = textOrEmpty(piece["type"]);
  const cache = readCacheMarker(piece);
  switch (type) {
    case "input_text":
    case "output_text":
    case "text": {
      const text = requireText(piece, "text", reading.path);
      return marked({ type: "text", text, extra: pieceExtra(piece, reading.extra) }, cache);
    }
    case "refusal": {
      const text = requireText(piece, "refusal", reading.path);
      return marked({ type, text, extra: pieceExtra(piece, reading.extra) }, cache);
    }
    case "input_image":
      return marked(readImage(piece, reading), cache);
    default:
      reading.barriers.add(OPAQUE_PIECES.get(type) ?? "other");
      return opaquePiece(piece, reading.extra);
  }
}

function readImage(piece: JsonObject, { path, barriers, extra }: Reading): Part {
  const given = piece["image_url"];
  const url = isObject(given) ? given["url"] : given;
  const fileId = piece["file_id"];
  if (typeof url !== "string" && typeof fileId !== "string") {
    throw invalidField(`${path}.image_url`, "a string");
  }
  const source = typeof url === "string"
    ? imageAt(url)
    : { kind: "file", fileId: textOrEmpty(fileId) } as const;
  const barrier = imageBarrier(source);
  if (barrier) barriers.add(barrier);
  const detail = DETAILS.find((known) => known === piece["detail"]);
  return {
    type: "image",
    source,
    ...(detail && { detail }),
    extra: pieceExtra(piece, extra, {
      type: true,
      ...(source.kind === "file" ? { file_id: true } : { image_url: { url: true } }),
      detail: detail !== undefined,
      ...MARKERS,
    }),
  };
}

function readResult(item: JsonObject, path: string, barriers: Barriers): Turn {
  const custom = item["type"] === "custom_tool_call_output";
  const output = item["output"] ?? null;
  if (output === null) throw invalidField(`${path}.output`, "a string or a list", "missing");
  const parts = readContent(output, { path: `${path}.output`, barriers, extra: {} });
  const result: PartOf<"tool_result"> = {
    type: "tool_result",
    callId: requireText(item, "call_id", path),
    form: custom ? "custom" : "function",
    parts: parts.length === 0 ? [plainText("")] : parts,
    isError: false,
    extra: itemExtra(item, custom ? "custom_tool_call_output" : "function_call_output"),
  };
  return {
    role: "tool",
    parts: [marked(result, readCacheMarker(item))],
    extra: { [RESPONSES]: {} },
  };
}

function plainText(text: string): PartOf<"text" | "refusal"> {
  return { type: "text", text, extra: {} };
}

function requireText(value: JsonObject, key: string, path: string): string {
  const text = value[key];
  if (typeof text === "string") return text;
  throw invalidField(`${path}.${key}`, "a string", text === undefined ? "missing" : "wrong-type");
}

function marked(part: Part, cache: CacheMarker | undefined): Part {
  return cache ? { ...part, cache } : part;
}

/** A marker on a whole message stands at its end. */
function markLast(parts: readonly Part[], cache: CacheMarker | undefined): readonly Part[] {
  const last = parts.at(-1);
  return cache && last ? [...parts.slice(0, -1), marked(last, cache)] : parts;
}
