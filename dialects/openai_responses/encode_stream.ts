import type { Extra, PartHead, Proof, StreamEvent } from "@/core/chat.ts";
import { wholePart } from "@/core/chat_events.ts";
import type { ReplyContext, StreamEncoder } from "@/core/dialect.ts";
import type { GatewayError } from "@/core/errors.ts";
import type { Json, JsonObject } from "@/core/json.ts";
import { NO_USAGE, type UsageReport } from "@/core/usage.ts";
import type { SseFrame } from "@/core/wire.ts";
import { type ReplyIds, replyIds } from "../reply_id.ts";
import { serialParts } from "../serial_parts.ts";
import { responseErrorCode } from "./errors.ts";
import { omit, ownFields, RESPONSES } from "./items.ts";
import {
  closeResponse,
  isCut,
  itemId,
  openResponse,
  outputItem,
  outputPiece,
  writeUsage,
} from "./output.ts";

type Start = Extract<StreamEvent, { type: "message_start" }>;
type End = Extract<StreamEvent, { type: "message_end" }>;

/** The item that is being written. */
interface OpenItem {
  readonly head: PartHead;
  readonly id: string;
  /** Position of the part among the parts of the reply. */
  readonly index: number;
  text: string;
  /** Whether the summary of a reasoning item has begun. */
  summary: boolean;
  /** Set once its part has ended: it closes when it is known whether the reply was cut there. */
  ended: { readonly proof?: Proof; readonly extra?: Extra } | null;
  /** A frame's data up to the sequence number of a delta, and from there to the delta itself. */
  readonly delta: { readonly type: string; readonly head: string; readonly middle: string };
}

/**
 * Writes a stream of `response.*` events.
 *
 * @see https://platform.openai.com/docs/api-reference/responses-streaming
 */
export function encodeResponsesStream(context: ReplyContext): StreamEncoder {
  return new ResponsesEncoder(context);
}

class ResponsesEncoder implements StreamEncoder {
  readonly #context: ReplyContext;
  readonly #serial = serialParts();
  readonly #items: JsonObject[] = [];
  #ids: ReplyIds;
  #response: JsonObject | null = null;
  #usage: UsageReport = NO_USAGE;
  #sequence = 0;
  #calls = 0;
  #open: OpenItem | null = null;
  #frames: SseFrame[] = [];

  constructor(context: ReplyContext) {
    this.#context = context;
    this.#ids = replyIds("", context.callId);
  }

  step(event: StreamEvent): readonly SseFrame[] {
    this.#frames = [];
    for (const one of this.#serial.step(event)) this.#write(one);
    return this.#frames;
  }

  end(): readonly SseFrame[] {
    return [];
  }

  fail(error: GatewayError): readonly SseFrame[] {
    this.#frames = [];
    if (this.#open?.ended) this.#close("completed");
    const known = Object.values(this.#usage).some((count) => count !== null);
    this.#push("response.failed", {
      response: {
        ...this.#opened({ model: this.#context.request.model, createdAt: 0 }),
        status: "failed",
        error: { code: responseErrorCode(error), message: error.message },
        output: this.#items,
        usage: known ? writeUsage(this.#usage) : null,
      },
    });
    return this.#frames;
  }

  #write(event: StreamEvent): void {
    switch (event.type) {
      case "message_start":
        return this.#start(event);
      case "part_start":
        return this.#startItem(event.index, event.part);
      case "part_delta":
        return this.#feed(event.index, event.text);
      case "part_end":
        if (this.#open?.index === event.index) this.#open.ended = event;
        return;
      case "message_end":
        return this.#finish(event);
    }
  }

  #opened(head: { readonly model: string; readonly createdAt: number }): JsonObject {
    const { request } = this.#context;
    return this.#response ??= openResponse({ ...head, id: this.#ids.reply("resp_") }, request);
  }

  #start(event: Start): void {
    this.#ids = replyIds(event.id, this.#context.callId);
    this.#usage = event.usage;
    const response = this.#opened(event);
    this.#push("response.created", { response });
    this.#push("response.in_progress", { response });
  }

  #startItem(index: number, given: PartHead): void {
    this.#close("completed");
    const head = given.type === "tool_call"
      ? { ...given, id: this.#ids.call(given.id, this.#calls++) }
      : given;
    const id = itemId(this.#ids, head, this.#items.length);
    if (id === "") return this.#writeOpaque(head);
    this.#open = {
      head,
      id,
      index,
      text: "",
      summary: false,
      ended: null,
      delta: deltaText(head, id, this.#items.length),
    };
    this.#pushItem("added", this.#itemOf(this.#open, "in_progress"));
    if (isMessage(head)) this.#pushPart("content_part.added", outputPiece(pieceOf(head, "")));
  }

  /** An item that only this wire knows, whole; one of another wire is left out. */
  #writeOpaque(head: PartHead): void {
    if (head.type !== "opaque") return;
    const item = outputItem({ ...head, extra: {} }, "", "completed");
    if (item === null) return;
    this.#pushItem("added", item);
    this.#pushItem("done", item);
    this.#items.push(item);
  }

  #feed(index: number, text: string): void {
    const open = this.#open;
    if (open?.index !== index || text === "") return;
    if (open.head.type === "reasoning" && !open.summary) {
      open.summary = true;
      this.#pushPart("reasoning_summary_part.added", { type: "summary_text", text: "" });
    }
    open.text += text;
    const { type, head, middle } = open.delta;
    const end = open.head.type === "text" ? ',"logprobs":[]}' : "}";
    const data = head + this.#sequence++ + middle + JSON.stringify(text) + end;
    this.#frames.push({ event: type, data });
  }

  #close(status: "completed" | "incomplete"): void {
    const open = this.#open;
    if (!open) return;
    const { head, text } = open;
    if (isMessage(head)) {
      const part = outputPiece(pieceOf(head, text, open.ended?.extra));
      const closed = head.type === "text" ? { text, logprobs: [] } : { refusal: text };
      this.#pushAt(head.type === "text" ? "output_text.done" : "refusal.done", closed);
      this.#pushPart("content_part.done", part);
    } else if (head.type === "reasoning") {
      if (open.summary) {
        this.#pushAt("reasoning_summary_text.done", { text });
        this.#pushPart("reasoning_summary_part.done", { type: "summary_text", text });
      }
    } else if (head.type === "tool_call") {
      const custom = head.form === "custom";
      const closed = custom ? { input: text } : { name: head.name, arguments: text };
      this.#pushAt(custom ? "custom_tool_call_input.done" : "function_call_arguments.done", closed);
    }
    const item = this.#itemOf(open, status);
    this.#pushItem("done", item);
    this.#items.push(item);
    this.#open = null;
  }

  #itemOf({ head, id, text, ended }: OpenItem, status: Parameters<typeof outputItem>[2]) {
    // The id that was sent stays, and the status is ours.
    const own = { ...omit(ownFields(ended?.extra ?? {}), ["id"]), status };
    const part = wholePart({
      head,
      text,
      proof: ended?.proof,
      extra: { [RESPONSES]: own },
    });
    const item = outputItem(part, id, status) ?? {};
    return isMessage(head) && status === "in_progress" ? { ...item, content: [] } : item;
  }

  #finish({ finish, usage, extra }: End): void {
    if (finish.reason === "error") return;
    this.#close(isCut(finish) ? "incomplete" : "completed");
    const response = {
      ...this.#opened({ model: "", createdAt: 0 }),
      ...ownFields(extra),
      ...closeResponse({ finish, usage, output: this.#items }),
    };
    this.#push(`response.${response.status}`, { response });
  }

  #push(type: string, fields: JsonObject): void {
    const data = JSON.stringify({ type, sequence_number: this.#sequence++, ...fields });
    this.#frames.push({ event: type, data });
  }

  #pushItem(what: "added" | "done", item: JsonObject): void {
    this.#push(`response.output_item.${what}`, { output_index: this.#items.length, item });
  }

  #pushPart(name: string, part: JsonObject): void {
    this.#pushAt(name, { part });
  }

  /** An event of the open item. */
  #pushAt(name: string, fields: JsonObject): void {
    if (!this.#open) return;
    const { head, id } = this.#open;
    this.#push(`response.${name}`, { ...placeOf(head, id, this.#items.length), ...fields });
  }
}

/** What every event of an item repeats. */
function placeOf(head: PartHead, id: string, index: number): JsonObject {
  const place = { item_id: id, output_index: index };
  if (isMessage(head)) return { ...place, content_index: 0 };
  return head.type === "reasoning" ? { ...place, summary_index: 0 } : place;
}

function isMessage(head: PartHead): head is PartHead & { readonly type: "text" | "refusal" } {
  return head.type === "text" || head.type === "refusal";
}

function pieceOf(head: { readonly type: "text" | "refusal" }, text: string, extra: Extra = {}) {
  return { type: head.type, text, extra };
}

/** The constant pieces of an item's delta frames. */
function deltaText(head: PartHead, id: string, index: number): OpenItem["delta"] {
  const type = `response.${deltaName(head)}.delta`;
  const place: Json = placeOf(head, id, index);
  return {
    type,
    head: `{"type":"${type}","sequence_number":`,
    middle: `,${JSON.stringify(place).slice(1, -1)},"delta":`,
  };
}

function deltaName(head: PartHead): string {
  switch (head.type) {
    case "text":
      return "output_text";
    case "refusal":
      return "refusal";
    case "reasoning":
      return "reasoning_summary_text";
    case "tool_call":
      return head.form === "custom" ? "custom_tool_call_input" : "function_call_arguments";
    case "opaque":
      return "";
  }
}
