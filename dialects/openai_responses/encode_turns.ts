import type { CacheMarker, ChatRequest, Message, Part, PartOf } from "@/core/chat.ts";
import { GatewayError } from "@/core/errors.ts";
import { isObject, type Json, type JsonObject, textOrEmpty } from "@/core/json.ts";
import type { FieldEvent } from "@/core/wire.ts";
import { markerMember, type MarkerSpelling } from "../cache_marker.ts";
import { imageUrl } from "../image_source.ts";
import { encryptedContent, proofStanding } from "../proofs.ts";
import { withUnread } from "../unread.ts";
import { omit, ownFields, RESPONSES } from "./items.ts";
import { callItem, outputPiece } from "./output.ts";

/** Marks a result that failed; this wire has no other place to say so. */
const ERROR_PREFIX = "[error] ";

/** A piece of content or an item while it is written: a marker may still be added. */
type Writable = Record<string, Json | undefined>;

/** What writing turns needs besides them. */
export interface TurnWriting {
  /** How cache markers are spelled; `null`: not at all. */
  readonly markers: MarkerSpelling | null;
  /** Adds an event, once. */
  note(event: FieldEvent): void;
}

/** The turns of a request: `instructions` when there are any, and `input`. */
export interface WrittenTurns {
  readonly instructions: string | null;
  readonly input: readonly JsonObject[];
}

/**
 * Writes the turns of a request. What leads them is `instructions`, or one developer item when a cache
 * marker or an image stands in it; each turn after it depends on itself alone, so that a prefix stays a prefix.
 *
 * @throws {GatewayError} `invalid-request` for an image in a turn of the assistant
 */
export function writeTurns(request: ChatRequest, writing: TurnWriting): WrittenTurns {
  const { messages } = request;
  const start = messages.findIndex((message) => !leads(message));
  const leading = messages.slice(0, start === -1 ? messages.length : start);
  const lead = [...request.instructions, ...leading.flatMap(({ parts }) => parts)];
  const turns = new TurnWriter(writing);
  for (const { cache } of request.tools) turns.mark(cache);
  const texts = lead.flatMap((part) => part.type === "text" ? part.text : []);
  // `instructions` is a text: what is more than that leads as an item.
  const asItem = lead.some(({ type }) => type !== "text") || (lead.length > 0 &&
    (turns.pending || (writing.markers !== null && lead.some(({ cache }) => cache))));
  if (asItem) turns.add({ role: "developer", parts: lead, extra: {} });
  // A text has no place for markers: that they are left out is told.
  else for (const { cache } of lead) turns.mark(cache);
  for (const message of messages.slice(leading.length)) turns.add(message);
  const instructions = asItem || texts.length === 0 ? null : texts.join("\n\n");
  return { instructions, input: turns.items };
}

/** Whether a turn belongs to the instructions; the caller's own items stay items. */
function leads({ role, extra }: Message): boolean {
  return (role === "system" || role === "developer") && !extra[RESPONSES];
}

class TurnWriter {
  readonly items: Writable[] = [];
  readonly #writing: TurnWriting;
  /** The content piece written last. */
  #piece: Writable | null = null;
  /** A marker that no content piece stands before. */
  #early: CacheMarker | null = null;

  constructor(writing: TurnWriting) {
    this.#writing = writing;
  }

  /** Whether a marker waits for the first content piece. */
  get pending(): boolean {
    return this.#early !== null;
  }

  /** Marks the content piece written last, else the first one. */
  mark(cache: CacheMarker | undefined): void {
    if (!cache) return;
    const { markers, note } = this.#writing;
    if (markers === null) {
      return note({ field: cache.spelling, action: "stripped", reason: "target-limit" });
    }
    if (this.#piece === null) this.#early = cache;
    else Object.assign(this.#piece, markerMember(cache, markers, note));
  }

  add(message: Message): void {
    if (message.name !== undefined) {
      this.#writing.note({ field: "name", action: "stripped", reason: "no-counterpart" });
    }
    const parts = this.#withoutForeignProofs(message.parts);
    // What stood for removed reasoning must not be referred to any more.
    const keepIds = parts.length === message.parts.length;
    let open: Writable[] | null = null;
    let openId = "";
    for (const part of parts) {
      const id = textOrEmpty(ownFields(part.extra)["id"]);
      if (isPiece(part)) {
        const joins = open !== null &&
          (message.role !== "assistant" || (id !== "" && id === openId));
        if (!joins) open = this.#openMessage(message, part, keepIds);
        openId = id;
        open?.push(this.#pieceOf(part, message.role));
      } else {
        open = null;
        this.#addItem(part, keepIds);
      }
      this.mark(part.cache);
    }
    if (message.parts.length === 0) this.#openMessage(message, null, keepIds);
  }

  #withoutForeignProofs(parts: readonly Part[]): readonly Part[] {
    return parts.filter((part) => {
      if (part.type !== "reasoning") return true;
      const standing = proofStanding(part, RESPONSES);
      // An empty proof stands for unsigned reasoning, which this wire has no place for.
      if (standing === "own" && part.proof?.value !== "") return true;
      const reason = standing === "foreign" ? "foreign-proof" : "unsigned";
      this.#writing.note({ field: "reasoning", action: "stripped", reason });
      return false;
    });
  }

  #openMessage(message: Message, part: Part | null, keepIds: boolean): Writable[] {
    const extra = message.role === "assistant" && part ? part.extra : message.extra;
    const typed = message.extra[RESPONSES] ? { type: "message" } : {};
    const role = message.role === "tool" ? "user" : message.role;
    const content: Writable[] = [];
    this.items.push({ ...typed, ...itemFields(extra, keepIds), role, content });
    return content;
  }

  #pieceOf(part: Part, role: Message["role"]): Writable {
    const piece: Writable = { ...writePiece(part, role) };
    this.#piece = piece;
    if (this.#early !== null) {
      const early = this.#early;
      this.#early = null;
      this.mark(early);
    }
    return piece;
  }

  #addItem(part: Part, keepIds: boolean): void {
    switch (part.type) {
      case "reasoning":
        this.items.push({ ...reasoningItem(part) });
        return;
      case "tool_call":
        this.items.push({ ...callItem(part), ...itemFields(part.extra, keepIds) });
        return;
      case "tool_result":
        this.#addResult(part);
        return;
      case "opaque":
        if (part.dialect === RESPONSES && isObject(part.value)) this.items.push({ ...part.value });
        else this.#writing.note({ field: "other", action: "stripped", reason: "no-counterpart" });
    }
  }

  #addResult(part: PartOf<"tool_result">): void {
    const { callId, form, isError } = part;
    const parts = isError ? withErrorPrefix(part.parts) : part.parts;
    const item: Writable = {
      type: form === "custom" ? "custom_tool_call_output" : "function_call_output",
      call_id: callId,
      output: "",
      ...ownFields(part.extra),
    };
    const [first] = parts;
    const marked = this.#writing.markers !== null &&
      (part.cache !== undefined || parts.some(({ cache }) => cache));
    const plain = first?.type === "text" && !first.extra.beside;
    if (parts.length === 1 && plain && !marked) item["output"] = first.text;
    else if (parts.length > 0) {
      item["output"] = parts.map((inner) => {
        const piece = this.#pieceOf(inner, "tool");
        this.mark(inner.cache);
        return piece;
      });
    }
    this.items.push(item);
  }
}

/** The own fields of an item. */
function itemFields(extra: Part["extra"], keepIds: boolean): JsonObject {
  return keepIds ? ownFields(extra) : omit(ownFields(extra), ["id"]);
}

function reasoningItem(part: PartOf<"reasoning">): JsonObject {
  const { text, proof } = part;
  const written = {
    type: "reasoning",
    ...(proof?.id !== undefined && { id: proof.id }),
    summary: text === "" ? [] : [{ type: "summary_text", text }],
    ...(proof && { encrypted_content: encryptedContent(proof) }),
  };
  return withUnread(written, itemFields(part.extra, true));
}

/** Whether a part is a piece of a message; anything else is an item of its own. */
function isPiece(part: Part): boolean {
  if (part.type === "opaque") return part.dialect === RESPONSES && !part.isItem;
  return part.type === "text" || part.type === "refusal" || part.type === "image";
}

function writePiece(part: Part, role: Message["role"]): JsonObject {
  const own = part.extra.beside;
  switch (part.type) {
    case "text":
    case "refusal":
      if (role === "assistant") {
        return omit(outputPiece(part), own ? [] : ["annotations"]);
      }
      return withUnread({ type: "input_text", text: part.text }, own);
    case "image": {
      if (role === "assistant") throw imageOfAssistant();
      const { source, detail } = part;
      const where = source.kind === "file"
        ? { file_id: source.fileId }
        : { image_url: imageUrl(source) };
      const written = { type: "input_image", ...where, ...(detail && { detail }) };
      return withUnread(written, own);
    }
    case "opaque":
      return isObject(part.value) ? part.value : {};
    case "reasoning":
    case "tool_call":
    case "tool_result":
      return {};
  }
}

function imageOfAssistant(): GatewayError {
  const message = "Cannot write input: an image stands in a turn of the assistant";
  return new GatewayError("invalid-request", message, { path: "messages", reason: "image" });
}

function withErrorPrefix(parts: readonly Part[]): readonly Part[] {
  const [first, ...rest] = parts;
  if (first?.type === "text") return [{ ...first, text: ERROR_PREFIX + first.text }, ...rest];
  return [{ type: "text", text: ERROR_PREFIX, extra: {} }, ...parts];
}
