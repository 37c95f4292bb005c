import type { Proof, StreamEvent } from "@/core/chat.ts";
import { isObject, type JsonObject, textOrEmpty } from "@/core/json.ts";
import type { Stepper } from "@/core/stream.ts";
import { classifyEvent, failure, type UpstreamError } from "@/core/upstream_error.ts";
import { NO_USAGE, type UsageReport } from "@/core/usage.ts";
import type { SseFrame } from "@/core/wire.ts";
import { faultOf, frameJson } from "../frame_json.ts";
import { type Arrival, type ArrivingCall, ArrivingCalls } from "./arriving_calls.ts";
import { contentText, isBareCall, ownContent, refusalText, secondsOf } from "./decode_response.ts";
import { readChatFinish } from "./finish.ts";
import { CHAT } from "./parts.ts";
import { callsOf, chatUsage, reasoningText } from "./reply.ts";

/** Frames in a row that may be no JSON before the stream counts as broken. */
const TOLERATED_GARBAGE = 2;
const NOTHING: readonly StreamEvent[] = [];

type TextType = "reasoning" | "refusal" | "text";

/**
 * Reads a stream of `chat.completion.chunk` frames: its first choice. A text ends where another kind
 * of content begins; calls stay open until the end, since their fragments may come interleaved.
 *
 * @see https://platform.openai.com/docs/api-reference/chat-streaming
 */
export function decodeChatStream(): Stepper<SseFrame, StreamEvent> {
  return new ChatStreamReader();
}

class ChatStreamReader implements Stepper<SseFrame, StreamEvent> {
  #out: StreamEvent[] = [];
  #started = false;
  #ended = false;
  #parts = 0;
  #garbage = 0;
  #finish: string | null = null;
  #usage: UsageReport = NO_USAGE;
  /** The open text; its index is -1 when none is. */
  #textIndex = -1;
  #textType: TextType = "text";
  readonly #said: Record<TextType, string> = { reasoning: "", refusal: "", text: "" };
  readonly #calls = new ArrivingCalls();
  /** The parts of calls whose name is known. */
  readonly #callIndexes = new Map<ArrivingCall, number>();
  /** Whether what came last belongs to a call. */
  #inCall = false;
  #mismatch = false;
  /** Parts that no other dialect has. */
  #own = 0;
  /** Calls before which their proof stands. */
  readonly #proven = new Set<ArrivingCall>();

  step({ event, data }: SseFrame): readonly StreamEvent[] {
    if (this.#ended || data === "") return NOTHING;
    this.#out = [];
    const chunk = frameJson(data);
    if (!chunk) this.#skip(data);
    else if ((chunk["error"] ?? null) !== null || event === "error") {
      this.#fail(classifyEvent(faultOf(chunk["error"] ?? chunk), 200));
    } else this.#readChunk(chunk);
    return this.#out;
  }

  end(): readonly StreamEvent[] {
    if (this.#ended) return NOTHING;
    this.#out = [];
    if (this.#finish === null) this.#fail(failure("upstream_network", 200));
    else this.#close();
    return this.#out;
  }

  #skip(data: string): void {
    if (data.trim() === "[DONE]") return this.#close();
    this.#garbage++;
    if (this.#inCall || this.#garbage > TOLERATED_GARBAGE) {
      this.#fail(failure("upstream_bad_response", 200));
    }
  }

  #readChunk(chunk: JsonObject): void {
    this.#garbage = 0;
    if (!this.#started && textOrEmpty(chunk["id"]) !== "") this.#start(chunk);
    if (isObject(chunk["usage"])) this.#usage = chatUsage(chunk["usage"]) ?? this.#usage;
    const { choices } = chunk;
    if (!Array.isArray(choices)) return;
    for (const choice of choices) {
      if (isObject(choice) && (choice["index"] ?? 0) === 0) this.#readChoice(choice, chunk);
    }
  }

  #readChoice({ delta, message, finish_reason: reason }: JsonObject, chunk: JsonObject): void {
    if (isObject(delta)) this.#readDelta(delta, chunk);
    if (isObject(message)) this.#readWhole(message, chunk);
    if (typeof reason !== "string" || reason === "") return;
    this.#finish = reason;
    this.#inCall = false;
  }

  #readDelta(delta: JsonObject, chunk: JsonObject): void {
    const { content } = delta;
    this.#addText("reasoning", reasoningText(delta), chunk);
    this.#addText("text", contentText(content), chunk);
    this.#addText("refusal", textOrEmpty(delta["refusal"]) || refusalText(content), chunk);
    this.#addOwn(delta, chunk);
    if (!delta["tool_calls"] && !delta["function_call"]) return;
    callsOf(delta).forEach((call, place) => this.#addCall(this.#calls.add(call, place), chunk));
  }

  /** A message at the end says again what was streamed, or more: the rest is a delta. */
  #readWhole(message: JsonObject, chunk: JsonObject): void {
    const { content } = message;
    const refusal = textOrEmpty(message["refusal"]) || refusalText(content);
    this.#addText("reasoning", this.#rest(reasoningText(message), this.#said.reasoning), chunk);
    this.#addText("text", this.#rest(contentText(content), this.#said.text), chunk);
    this.#addText("refusal", this.#rest(refusal, this.#said.refusal), chunk);
    callsOf(message).forEach((call, place) => {
      const arrival = this.#calls.addWhole(call, place);
      if (arrival) this.#addCall(arrival, chunk);
      else this.#mismatch = true;
    });
  }

  /** What a whole text says beyond what is known of it; nothing when the two differ. */
  #rest(whole: string, known: string): string {
    if (whole.startsWith(known)) return whole.slice(known.length);
    if (whole !== "") this.#mismatch = true;
    return "";
  }

  #addText(type: TextType, text: string, chunk: JsonObject): void {
    if (text === "") return;
    if (this.#textIndex === -1 || this.#textType !== type) {
      this.#closeText();
      this.#start(chunk);
      this.#textIndex = this.#parts++;
      this.#textType = type;
      const part = type === "reasoning" ? { type, summary: false } : { type };
      this.#out.push({ type: "part_start", index: this.#textIndex, part });
    }
    this.#inCall = false;
    this.#said[type] += text;
    this.#out.push({ type: "part_delta", index: this.#textIndex, text });
  }

  #addCall({ call, text }: Arrival, chunk: JsonObject): void {
    this.#start(chunk);
    this.#inCall = true;
    const index = this.#callIndexes.get(call);
    if (index !== undefined) this.#feedCall(index, text);
    else if (call.name !== "") this.#startCall(call);
  }

  #startCall(call: ArrivingCall): void {
    this.#closeText();
    if (call.proof) this.#prove(call, call.proof);
    const index = this.#parts++;
    this.#callIndexes.set(call, index);
    const { id, name, form, input } = call;
    this.#out.push({ type: "part_start", index, part: { type: "tool_call", id, name, form } });
    this.#feedCall(index, input);
  }

  /** What the provider attached to a call stands before it, as reasoning that nobody can read. */
  #prove(call: ArrivingCall, proof: Proof): void {
    this.#proven.add(call);
    const index = this.#parts++;
    const part = { type: "reasoning", summary: false } as const;
    this.#out.push({ type: "part_start", index, part }, { type: "part_end", index, proof });
  }

  #addOwn(delta: JsonObject, chunk: JsonObject): void {
    for (const value of ownContent(delta)) {
      this.#start(chunk);
      this.#leaveOut(value);
    }
  }

  #leaveOut(value: JsonObject): void {
    this.#own++;
    const index = this.#parts++;
    const part = { type: "opaque", dialect: CHAT, value } as const;
    this.#out.push({ type: "part_start", index, part }, { type: "part_end", index });
  }

  #feedCall(index: number, text: string): void {
    if (text !== "") this.#out.push({ type: "part_delta", index, text });
  }

  #start(chunk: JsonObject): void {
    if (this.#started) return;
    this.#started = true;
    this.#out.push({
      type: "message_start",
      id: textOrEmpty(chunk["id"]),
      model: textOrEmpty(chunk["model"]),
      createdAt: secondsOf(chunk["created"]),
      usage: NO_USAGE,
      extra: {},
    });
  }

  #closeText(): void {
    if (this.#textIndex !== -1) this.#out.push({ type: "part_end", index: this.#textIndex });
    this.#textIndex = -1;
  }

  /** Ends a stream that is whole; one without any content or reason is not. */
  #close(): void {
    for (const call of this.#calls.list) {
      if (!this.#callIndexes.has(call)) this.#startCall(call);
      // What came after its call has no place any more.
      if (call.proof && !this.#proven.has(call)) this.#leaveOut({});
    }
    const finish = readChatFinish(this.#finish, {
      calls: this.#calls.list.length > 0,
      refusal: this.#said.refusal !== "",
      any: this.#parts > this.#own,
    });
    if (finish.error) return this.#fail(finish.error);
    this.#start({});
    for (const [call, index] of this.#callIndexes) {
      if (isBareCall(call, finish)) this.#feedCall(index, "{}");
    }
    const open = [...this.#callIndexes.values()];
    if (this.#textIndex !== -1) open.push(this.#textIndex);
    for (const index of open.sort((a, b) => a - b)) this.#out.push({ type: "part_end", index });
    this.#ended = true;
    const mismatch = this.#mismatch ? { mismatch: true } as const : {};
    this.#out.push({ type: "message_end", finish, usage: this.#usage, extra: {}, ...mismatch });
  }

  /** Ends a stream that broke; what is open stays open. */
  #fail(error: UpstreamError): void {
    this.#start({});
    this.#ended = true;
    const finish = { reason: "error", error } as const;
    this.#out.push({ type: "message_end", finish, usage: this.#usage, extra: {} });
  }
}
