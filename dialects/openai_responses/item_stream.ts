import type { Extra, PartHead, Proof } from "@/core/chat.ts";
import { isObject, type Json, type JsonObject, objectOrEmpty, textOrEmpty } from "@/core/json.ts";
import { readCallItem, readModelItem, readModelPiece, reasoningSections } from "./items.ts";

/** Where the parts of a stream go; indexes count over the whole stream. */
export interface PartSink {
  start(part: PartHead): number;
  delta(index: number, text: string): void;
  end(index: number, rest: { readonly proof?: Proof; readonly extra?: Extra }): void;
  /** A stated value differs from what arrived. */
  mismatch(): void;
}

/** A text that is arriving. */
interface OpenText {
  readonly index: number;
  /** What has arrived. */
  text: string;
  open: boolean;
}

/** An output item of a stream. */
export interface OpenItem {
  readonly type: string;
  readonly call: boolean;
  /** The pieces of a message by content index, the one part of anything else at 0. */
  readonly texts: Map<number, OpenText>;
  /** The text that started last: those before it are over. */
  last: OpenText | null;
  /** What has arrived of each summary and text of a reasoning item. */
  readonly sections: Map<string, string>;
  done: boolean;
}

/** Type of the item that an event without an item of its own is about. */
const TYPES: readonly (readonly [string, string])[] = [
  ["response.function_call_arguments.", "function_call"],
  ["response.custom_tool_call_input.", "custom_tool_call"],
  ["response.reasoning_", "reasoning"],
];

/** Opens an item; what it holds already is a delta. */
export function beginItem(sink: PartSink, item: JsonObject, event: string): OpenItem {
  const type = textOrEmpty(item["type"]) ||
    (TYPES.find(([prefix]) => event.startsWith(prefix))?.[1] ?? "message");
  const call = type === "function_call" || type === "custom_tool_call";
  const open: OpenItem = {
    type,
    call,
    texts: new Map(),
    last: null,
    sections: new Map(),
    done: false,
  };
  if (type === "reasoning") startText(open, sink, 0, { type: "reasoning", summary: true });
  if (call) startText(open, sink, 0, callHead(item, type));
  deliverMissing(open, sink, item, false);
  return open;
}

function callHead(item: JsonObject, type: string): PartHead {
  const { input: _, extra: __, ...head } = readCallItem({ ...item, type });
  return head;
}

/** Takes an event of an open item: a delta, a value that closes one, or a piece. */
export function feedItem(item: OpenItem, sink: PartSink, value: JsonObject, type: string): void {
  if (item.done) return;
  const delta = value["delta"];
  if (item.type === "reasoning") return feedReasoning(item, sink, value, type);
  const piece = objectOrEmpty(value["part"]);
  // A piece that only this wire has comes with its item.
  if (isObject(value["part"]) && readModelPiece(piece, {}).type === "opaque") return;
  const refusal = piece["type"] === "refusal" || type.startsWith("response.refusal.");
  const text = item.call
    ? item.texts.get(0)
    : pieceAt(item, sink, placeOf(value["content_index"]), refusal ? "refusal" : "text");
  if (!text) return;
  if (typeof delta === "string") append(text, sink, delta);
  else deliverRest(text, sink, stated(isObject(value["part"]) ? piece : value));
}

/** The value that a closing event or a piece states. */
function stated(value: JsonObject): string {
  return textOrEmpty(value["text"] ?? value["refusal"] ?? value["arguments"] ?? value["input"]);
}

function feedReasoning(item: OpenItem, sink: PartSink, value: JsonObject, type: string): void {
  const summary = type.startsWith("response.reasoning_summary_");
  const index = placeOf(summary ? value["summary_index"] : value["content_index"]);
  const section = `${summary ? "summary" : "content"}${index}`;
  const delta = value["delta"];
  if (typeof delta === "string") return appendSection(item, sink, section, delta);
  completeSection(item, sink, section, stated(objectOrEmpty(value["part"] ?? value)));
}

/** Where a piece of an item stands; without a number it is the first. */
function placeOf(index: Json | undefined): number {
  return typeof index === "number" ? index : 0;
}

/** A piece of a message; the one before it is over when a new one starts. */
function pieceAt(
  item: OpenItem,
  sink: PartSink,
  at: number,
  type: "text" | "refusal",
): OpenText {
  const known = item.texts.get(at);
  if (known) return known;
  if (item.last) endText(item.last, sink, {});
  return startText(item, sink, at, { type });
}

function startText(item: OpenItem, sink: PartSink, at: number, head: PartHead): OpenText {
  const text: OpenText = { index: sink.start(head), text: "", open: true };
  item.texts.set(at, text);
  item.last = text;
  return text;
}

function append(text: OpenText, sink: PartSink, delta: string): void {
  if (delta === "" || !text.open) return;
  text.text += delta;
  sink.delta(text.index, delta);
}

/** Delivers what a stated value has beyond what arrived; if it differs, what arrived stands. */
function deliverRest(text: OpenText, sink: PartSink, value: string): void {
  append(text, sink, restOf(sink, value, text.text));
}

/** What a stated value says beyond what arrived; an empty one states nothing. */
function restOf(sink: PartSink, value: string, arrived: string): string {
  if (value.startsWith(arrived)) return value.slice(arrived.length);
  if (value !== "") sink.mismatch();
  return "";
}

/** Sections are one text; a blank line stands between two of them. */
function appendSection(item: OpenItem, sink: PartSink, section: string, delta: string): void {
  const text = item.texts.get(0);
  if (!text || delta === "") return;
  const before = item.sections.get(section) ?? "";
  const joint = before === "" && text.text !== "" ? "\n\n" : "";
  item.sections.set(section, before + delta);
  append(text, sink, joint + delta);
}

function completeSection(item: OpenItem, sink: PartSink, section: string, value: string): void {
  const before = item.sections.get(section) ?? "";
  appendSection(item, sink, section, restOf(sink, value, before));
}

/** Takes a whole item: delivers what is missing of its parts, and ends them. */
export function finishItem(item: OpenItem, sink: PartSink, whole: JsonObject): void {
  if (item.done) return;
  deliverMissing(item, sink, whole, true);
  const parts = readModelItem({ ...whole, type: item.type });
  for (const [at, text] of item.texts) {
    const part = parts[at];
    const proof = part?.type === "reasoning" ? part.proof : undefined;
    endText(text, sink, { ...(proof && { proof }), extra: part?.extra ?? {} });
  }
  for (const part of parts) {
    if (part.type !== "opaque") continue;
    const { dialect, value, extra } = part;
    sink.end(sink.start({ type: "opaque", dialect, value }), { extra });
  }
  item.done = true;
}

/** Ends the parts of an item that nothing closed. */
export function endItem(item: OpenItem, sink: PartSink): void {
  for (const text of item.texts.values()) endText(text, sink, {});
  item.done = true;
}

function endText(
  text: OpenText,
  sink: PartSink,
  rest: { readonly proof?: Proof; readonly extra?: Extra },
): void {
  if (!text.open) return;
  text.open = false;
  sink.end(text.index, rest);
}

/** Delivers what an item states beyond what arrived of it. */
function deliverMissing(
  item: OpenItem,
  sink: PartSink,
  whole: JsonObject,
  closing: boolean,
): void {
  if (item.type === "reasoning") {
    for (const [section, text] of reasoningSections(whole)) {
      completeSection(item, sink, section, text);
    }
  } else if (item.call) {
    const text = item.texts.get(0);
    if (text) deliverRest(text, sink, stated(whole));
  } else if (item.type === "message") deliverPieces(item, sink, whole, closing);
}

/** A piece that is still empty begins with its first text, or when its item ends. */
function deliverPieces(
  item: OpenItem,
  sink: PartSink,
  whole: JsonObject,
  closing: boolean,
): void {
  readModelItem({ ...whole, type: "message" }).forEach((piece, at) => {
    if (piece.type !== "text" && piece.type !== "refusal") return;
    if (!closing && piece.text === "") return;
    deliverRest(pieceAt(item, sink, at, piece.type), sink, piece.text);
  });
}
