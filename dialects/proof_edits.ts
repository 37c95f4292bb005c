import { isObject, type Json, type JsonObject } from "@/core/json.ts";
import { scanElements, scanMembers, type Span } from "@/core/scan.ts";
import { editMembers, type EditNote, removeItems } from "@/core/splice.ts";
import type { Edit, WireRequest } from "@/core/wire.ts";

/** Whether a target's provider takes a proof of reasoning; empty: unsigned reasoning. */
export type Keeps = (proof: string) => boolean;

const listOf = (value: Json | undefined): readonly Json[] => Array.isArray(value) ? value : [];

/**
 * Removes the thinking blocks that a provider would refuse from the turns of a Messages body, and a
 * turn that held nothing else.
 *
 * @param proofOf the proof of a block, `null` for one that is no reasoning
 */
export function messagesProofEdits(
  { body, bytes, members }: WireRequest,
  proofOf: (block: JsonObject) => string | null,
  keeps: Keeps,
): Edit[] {
  const note: EditNote = { field: "thinking", action: "stripped" };
  const notesOf = (message: Json) =>
    listOf(isObject(message) ? message["content"] : undefined).map((block) => {
      const proof = isObject(block) ? proofOf(block) : null;
      return proof === null || keeps(proof) ? undefined : note;
    });
  const notes = listOf(body["messages"]).map(notesOf);
  const list = members.get("messages");
  if (!list || notes.every(isKept)) return [];
  const spans = scanElements(bytes, list.start, list.end);
  const emptied = notes.map((blocks) => blocks.length > 0 && !blocks.includes(undefined));
  const inner = spans.flatMap((span, index) => {
    const content = scanMembers(bytes, span.start, span.end).get("content");
    if (!content || emptied[index] || isKept(notes[index]!)) return [];
    return removeItems(bytes, scanElements(bytes, content.start, content.end), notes[index]!);
  });
  return [...inner, ...removeItems(bytes, spans, emptied.map((is) => is ? note : undefined))];
}

/**
 * Removes the reasoning items that a provider would refuse from the `input` of a Responses body, and
 * with them the `id` of the other items of that turn: they would refer to what is no longer there.
 */
export function responsesProofEdits(
  { body, bytes, members }: WireRequest,
  proofOf: (item: JsonObject) => string | null,
  keeps: Keeps,
): Edit[] {
  const items = listOf(body["input"]);
  const removed = items.map((item) => {
    const proof = isObject(item) ? proofOf(item) : null;
    return proof !== null && !keeps(proof);
  });
  const list = members.get("input");
  if (!list || !removed.includes(true)) return [];
  const spans = scanElements(bytes, list.start, list.end);
  const note: EditNote = { field: "reasoning", action: "stripped" };
  const ids = turnsOf(items)
    .filter((turn) => turn.some((index) => removed[index]))
    .flatMap((turn) => turn.filter((index) => !removed[index]))
    .flatMap((index) => withoutId(bytes, spans[index]!));
  return [...ids, ...removeItems(bytes, spans, removed.map((is) => is ? note : undefined))];
}

function isKept(notes: readonly (EditNote | undefined)[] | undefined): boolean {
  return notes?.every((note) => note === undefined) ?? true;
}

/** Indexes of the items of each run of the model's own items. */
function turnsOf(items: readonly Json[]): number[][] {
  const turns: number[][] = [];
  let open: number[] | null = null;
  for (const [index, item] of items.entries()) {
    if (!isOwn(item)) open = null;
    else if (open) open.push(index);
    else turns.push(open = [index]);
  }
  return turns;
}

/** Whether an item is what a model said: reasoning, a call, or its message. */
function isOwn(item: Json): boolean {
  if (!isObject(item)) return false;
  const type = item["type"] ?? "message";
  if (type === "message") return item["role"] === "assistant";
  return type === "reasoning" || (typeof type === "string" && type.endsWith("_call"));
}

function withoutId(bytes: Uint8Array, { start, end }: Span): readonly Edit[] {
  const edit = editMembers(bytes, scanMembers(bytes, start, end), start);
  edit.remove("id", "id");
  return edit.list();
}
