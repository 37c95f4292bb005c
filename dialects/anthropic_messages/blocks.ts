import type { CacheMarker, Message, Part, PartOf, Proof } from "@/core/chat.ts";
import type { Json, JsonObject } from "@/core/json.ts";
import type { EditAction, FieldEvent } from "@/core/wire.ts";
import { markerMember } from "../cache_marker.ts";
import { argumentsObject } from "../exact_json.ts";
import { proofStanding, redactedData } from "../proofs.ts";
import { withUnread } from "../unread.ts";

/** A content block while a request is written. */
export interface Block {
  [key: string]: Json | undefined;
}

/** A turn as the wire has it. */
export interface Turn {
  readonly role: "user" | "assistant" | "system";
  readonly content: readonly Block[];
}

/** Collects what became of fields, each name and reason once. */
export interface Notes {
  /** Whether cache markers are written. */
  readonly markers: boolean;
  readonly events: FieldEvent[];
}

/** Notes an event unless it was noted already. */
export function note(
  { events }: Notes,
  field: string,
  { action = "stripped", reason = "no-counterpart" }: {
    readonly action?: EditAction;
    readonly reason?: string;
  } = {},
): void {
  const known = events.some((event) => event.field === field && event.reason === reason);
  if (!known) events.push({ field, action, reason });
}

/**
 * Writes turns: adjacent ones of a role are one turn, in which results come first; turns that hold
 * nothing are left out.
 */
export function encodeTurns(messages: readonly Message[], notes: Notes): readonly Turn[] {
  const turns: { role: Turn["role"]; results: Block[]; others: Block[] }[] = [];
  for (const message of messages) {
    if (message.name !== undefined) note(notes, "name");
    const { role, blocks } = encodeMessage(message, notes);
    if (blocks.length === 0) continue;
    let turn = turns.at(-1);
    if (turn?.role !== role) turns.push(turn = { role, results: [], others: [] });
    for (const block of blocks) {
      (block["type"] === "tool_result" ? turn.results : turn.others).push(block);
    }
  }
  return turns.map(({ role, results, others }) => ({ role, content: [...results, ...others] }));
}

function encodeMessage(
  { role, parts, extra }: Message,
  notes: Notes,
): { readonly role: Turn["role"]; readonly blocks: readonly Block[] } {
  if (role === "system" && extra.anthropic) {
    return { role: "system", blocks: encodeTurn(parts, notes) };
  }
  if (role === "system" || role === "developer") {
    return { role: "user", blocks: systemBlocks(parts, notes) };
  }
  return { role: role === "assistant" ? role : "user", blocks: encodeTurn(parts, notes) };
}

/** Writes what a turn says: the wire refuses texts of white space there, which some models begin with. */
export function encodeTurn(parts: readonly Part[], notes: Notes): readonly Block[] {
  return encodeParts(parts.filter((part) => !isText(part) || isSaid(part, notes)), notes);
}

/** Whether a text is more than white space; else it is left out, which is told unless it is empty. */
function isSaid({ text, cache }: PartOf<"text" | "refusal">, notes: Notes): boolean {
  if (text.trim() !== "") return true;
  if (text !== "") note(notes, "content", { reason: "target-limit" });
  if (cache) note(notes, cache.spelling, { reason: "target-limit" });
  return false;
}

/** A later system turn as a text of the user's turn, with what else it holds after it. */
function systemBlocks(parts: readonly Part[], notes: Notes): readonly Block[] {
  const others = encodeParts(parts.filter((part) => !isText(part)), notes);
  const texts = parts.filter(isText).filter((part) => isSaid(part, notes));
  if (texts.length === 0) return others;
  const text = `<system>\n${texts.map(({ text }) => text).join("\n\n")}\n</system>`;
  const marked = texts.findLast(({ cache }) => cache);
  return [
    withRest({ type: "text", text }, { extra: {}, ...marked && { cache: marked.cache } }, notes),
    ...others,
  ];
}

/** Writes parts as content blocks; empty texts and what this wire does not have are left out. */
function encodeParts(parts: readonly Part[], notes: Notes): readonly Block[] {
  return parts.flatMap((part) => {
    const block = encodePart(part, notes);
    return block ? [block] : [];
  });
}

function encodePart(part: Part, notes: Notes): Block | null {
  switch (part.type) {
    case "text":
    case "refusal": {
      if (part.text === "" && !isSaid(part, notes)) return null;
      return withRest({ type: "text", text: part.text }, part, notes);
    }
    case "image":
      return encodeImage(part, notes);
    case "reasoning":
      return encodeReasoning(part, notes);
    case "tool_call": {
      const { id, name, input } = part;
      return withRest({ type: "tool_use", id, name, input: argumentsObject(input) }, part, notes);
    }
    case "tool_result":
      return encodeResult(part, notes);
    case "opaque":
      if (part.dialect === "anthropic" && isBlock(part.value)) return { ...part.value };
      note(notes, "other");
      return null;
  }
}

function encodeImage(part: PartOf<"image">, notes: Notes): Block {
  if (part.detail !== undefined) note(notes, "detail");
  return withRest({ type: "image", source: imageSource(part.source) }, part, notes);
}

function imageSource(source: PartOf<"image">["source"]): JsonObject {
  switch (source.kind) {
    case "url":
      return { type: "url", url: source.url };
    case "file":
      return { type: "file", file_id: source.fileId };
    case "base64":
      return { type: "base64", media_type: source.mediaType, data: source.data };
  }
}

function encodeResult(part: PartOf<"tool_result">, notes: Notes): Block {
  const content = encodeParts(part.parts, notes);
  const block: Block = {
    type: "tool_result",
    tool_use_id: part.callId,
    ...(content.length > 0 && { content }),
    ...(part.isError && { is_error: true }),
  };
  return withRest(block, part, notes);
}

/** Only reasoning that this dialect's providers signed goes back to them. */
function encodeReasoning(part: PartOf<"reasoning">, notes: Notes): Block | null {
  const standing = proofStanding(part, "anthropic");
  if (standing !== "own") {
    const reason = standing === "foreign" ? "foreign-proof" : "unsigned";
    note(notes, "reasoning", { reason });
    return null;
  }
  return withRest(signedBlock(part), { extra: part.extra }, notes);
}

/** The block that carries a proof of a tool call for a caller to send back: opaque data, as it is here. */
export function callProofBlock(proof: Proof): Block {
  return { type: "redacted_thinking", data: redactedData(proof) };
}

/** The block of reasoning with a proof of this dialect. */
export function signedBlock({ text, proof }: PartOf<"reasoning">): Block {
  return proof?.kind === "redacted"
    ? { type: "redacted_thinking", data: proof.value }
    : { type: "thinking", thinking: text, signature: proof?.value ?? "" };
}

/** A copy of a block or a tool with its cache marker, and with what only this wire knows of it. */
export function withRest(
  block: JsonObject,
  { cache, extra }: Pick<Part, "cache" | "extra">,
  notes: Notes,
): Block {
  const marked = cache ? { ...block, ...markerOf(cache, notes) } : block;
  return { ...withUnread(marked, extra.anthropic) };
}

function markerOf(cache: CacheMarker, notes: Notes): JsonObject {
  if (notes.markers) {
    return markerMember(cache, "cache_control", (event) => note(notes, event.field, event));
  }
  note(notes, cache.spelling, { reason: "target-limit" });
  return {};
}

function isText(part: Part): part is PartOf<"text" | "refusal"> {
  return part.type === "text" || part.type === "refusal";
}

function isBlock(value: Json): value is Block {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
