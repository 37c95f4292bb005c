import type { PartHead, Proof, StreamEvent } from "@/core/chat.ts";
import type { ReplyContext, StreamEncoder } from "@/core/dialect.ts";
import type { GatewayError } from "@/core/errors.ts";
import { isObject, type JsonObject } from "@/core/json.ts";
import type { SseFrame } from "@/core/wire.ts";
import { type ReplyIds, replyIds } from "../reply_id.ts";
import { serialParts } from "../serial_parts.ts";
import { encodeMessagesError } from "./errors.ts";
import { callProofBlock } from "./blocks.ts";
import { encodeCacheCreation, encodeStop, encodeUsage, isCut } from "./finish.ts";

type EventOf<Type extends StreamEvent["type"]> = Extract<StreamEvent, { readonly type: Type }>;

/** The delta of each kind of part, up to its text. */
const DELTA_HEADS: Readonly<Record<PartHead["type"], string>> = {
  text: '"delta":{"type":"text_delta","text":',
  refusal: '"delta":{"type":"text_delta","text":',
  reasoning: '"delta":{"type":"thinking_delta","thinking":',
  tool_call: '"delta":{"type":"input_json_delta","partial_json":',
  opaque: "",
};

/**
 * Writes a stream of Messages events: one block at a time, each with an index of its own.
 *
 * @see https://docs.anthropic.com/en/docs/build-with-claude/streaming
 */
export function encodeMessagesStream(context: ReplyContext): StreamEncoder {
  return new MessagesEncoder(context);
}

class MessagesEncoder implements StreamEncoder {
  readonly #serial = serialParts();
  readonly #context: ReplyContext;
  #ids: ReplyIds;
  /** Index of the block written last. */
  #index = -1;
  #calls = 0;
  #part: PartHead = { type: "text" };
  /** Whether the open part has its block. */
  #shown = false;
  /** Whether the open part had a delta. */
  #fed = false;
  /** A call that ended without arguments: whether it was cut is known later. */
  #bareCall = false;
  /** What stands before the text of a delta. */
  #deltaHead = "";
  #refusal = "";

  constructor(context: ReplyContext) {
    this.#context = context;
    this.#ids = replyIds("", context.callId);
  }

  step(event: StreamEvent): readonly SseFrame[] {
    const out: SseFrame[] = [];
    for (const serial of this.#serial.step(event)) this.#write(serial, out);
    return out;
  }

  end(): readonly SseFrame[] {
    return [];
  }

  fail(error: GatewayError, requestId: string): readonly SseFrame[] {
    return [frame("error", encodeMessagesError(error, requestId))];
  }

  #write(event: StreamEvent, out: SseFrame[]): void {
    switch (event.type) {
      case "part_delta":
        return this.#delta(event.text, out);
      case "part_start":
        return this.#startPart(event.part, out);
      case "part_end":
        return this.#endPart(event.proof, out);
      case "message_start":
        return this.#start(event, out);
      case "message_end":
        return this.#end(event, out);
    }
  }

  #start({ id, model, usage, extra }: EventOf<"message_start">, out: SseFrame[]): void {
    this.#ids = replyIds(id, this.#context.callId);
    const { input_tokens: input, output_tokens_details: _, ...counts } = encodeUsage(usage);
    const message = {
      id: this.#ids.reply("msg_"),
      type: "message",
      role: "assistant",
      model,
      content: [],
      stop_reason: null,
      stop_sequence: null,
      stop_details: null,
      container: null,
      usage: {
        // Agents take 0 for "unknown" and lose count of their context.
        input_tokens: input === 0 ? 1 : input,
        ...counts,
        cache_creation: encodeCacheCreation(usage),
      },
      ...extra.anthropic,
    };
    out.push(frame("message_start", { type: "message_start", message }));
  }

  /** Calls are shown at once; the others when they have something to show. */
  #startPart(part: PartHead, out: SseFrame[]): void {
    this.#settleBareCall(out, false);
    this.#part = part;
    this.#shown = false;
    this.#fed = false;
    if (part.type === "tool_call") {
      const id = this.#ids.call(part.id, this.#calls++);
      this.#show({ type: "tool_use", id, name: part.name, input: {} }, out);
    } else if (part.type === "opaque" && part.dialect === "anthropic" && isObject(part.value)) {
      this.#show(part.value, out);
    }
  }

  #show(block: JsonObject, out: SseFrame[]): void {
    this.#shown = true;
    const index = ++this.#index;
    this.#deltaHead = `{"type":"content_block_delta","index":${index},${
      DELTA_HEADS[this.#part.type]
    }`;
    const start = { type: "content_block_start", index, content_block: block };
    out.push(frame("content_block_start", start));
  }

  #delta(text: string, out: SseFrame[]): void {
    const { type } = this.#part;
    if (text === "" || type === "opaque") return;
    if (type === "refusal") {
      this.#refusal += text;
      if (this.#part.extra?.anthropic) return;
    }
    if (!this.#shown) this.#show(emptyBlock(type), out);
    this.#fed = true;
    const data = `${this.#deltaHead}${JSON.stringify(text)}}}`;
    out.push({ event: "content_block_delta", data });
  }

  #endPart(proof: Proof | undefined, out: SseFrame[]): void {
    const { type } = this.#part;
    if (type === "tool_call" && !this.#fed) {
      this.#bareCall = true;
      return;
    }
    if (type === "reasoning" && proof?.dialect === "anthropic") this.#prove(proof, out);
    if (proof?.kind === "call" && !this.#shown) this.#show(callProofBlock(proof), out);
    if (this.#shown) this.#stop(out);
  }

  /** Only what a provider of this dialect signed is shown as signed. */
  #prove({ kind, value }: Proof, out: SseFrame[]): void {
    if (kind === "redacted") {
      if (!this.#shown) this.#show({ type: "redacted_thinking", data: value }, out);
      return;
    }
    if (!this.#shown) this.#show(emptyBlock("reasoning"), out);
    const delta = { type: "signature_delta", signature: value };
    out.push(
      frame("content_block_delta", { type: "content_block_delta", index: this.#index, delta }),
    );
  }

  /** A call without arguments has an empty object, unless it was cut before they came. */
  #settleBareCall(out: SseFrame[], cut: boolean): void {
    if (!this.#bareCall) return;
    this.#bareCall = false;
    if (!cut) this.#delta("{}", out);
    this.#stop(out);
  }

  #stop(out: SseFrame[]): void {
    this.#shown = false;
    const data = `{"type":"content_block_stop","index":${this.#index}}`;
    out.push({ event: "content_block_stop", data });
  }

  #end({ finish, usage, extra }: EventOf<"message_end">, out: SseFrame[]): void {
    if (finish.reason === "error") return;
    this.#settleBareCall(out, isCut(finish));
    const { stop_details: details, container, ...rest } = extra.anthropic ?? {};
    const stop = encodeStop(finish, this.#refusal);
    const delta = {
      ...stop,
      stop_details: details ?? stop["stop_details"],
      container: container ?? null,
    };
    out.push(
      frame("message_delta", { type: "message_delta", delta, usage: encodeUsage(usage), ...rest }),
      frame("message_stop", { type: "message_stop" }),
    );
  }
}

function emptyBlock(type: "text" | "refusal" | "reasoning" | "tool_call"): JsonObject {
  return type === "reasoning"
    ? { type: "thinking", thinking: "", signature: "" }
    : { type: "text", text: "" };
}

function frame(event: string, value: JsonObject): SseFrame {
  return { event, data: JSON.stringify(value) };
}
