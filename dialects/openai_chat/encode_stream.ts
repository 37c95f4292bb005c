import type { PartHead, Proof, StreamEvent } from "@/core/chat.ts";
import type { ReplyContext, StreamEncoder } from "@/core/dialect.ts";
import type { GatewayError } from "@/core/errors.ts";
import type { JsonObject } from "@/core/json.ts";
import type { UsageReport } from "@/core/usage.ts";
import type { SseFrame } from "@/core/wire.ts";
import { encodeOpenAiError } from "../error_body.ts";
import { callMembers, reasoningDetail } from "../proofs.ts";
import { type ReplyIds, replyIds } from "../reply_id.ts";
import { chatFinish, writeChatUsage } from "./finish.ts";
import { CHAT } from "./parts.ts";

const NOTHING: readonly SseFrame[] = [];

type Event<Type extends StreamEvent["type"]> = Extract<StreamEvent, { readonly type: Type }>;

/** The JSON around the text of a part's deltas. */
interface DeltaShape {
  readonly before: string;
  readonly after: string;
}

const REASONING: DeltaShape = { before: '{"reasoning_content":', after: "}" };
const REFUSAL: DeltaShape = { before: '{"refusal":', after: "}" };
const TEXT: DeltaShape = { before: '{"content":', after: "}" };

/**
 * Writes a stream of `chat.completion.chunk` frames, `[DONE]` last.
 *
 * @see https://platform.openai.com/docs/api-reference/chat-streaming
 */
export function encodeChatStream(context: ReplyContext): StreamEncoder {
  return new ChatStreamWriter(context);
}

class ChatStreamWriter implements StreamEncoder {
  readonly #callId: string;
  readonly #showsUsage: boolean;
  #ids: ReplyIds;
  /** What stands in every chunk before its `choices`. */
  #head = "";
  /** What every chunk ends with. */
  #tail = "}";
  #calls = 0;
  #hasRefusal = false;
  /** What the provider attached to the call that comes next. */
  #callProof: JsonObject = {};
  /** By part index; `null` for parts that this wire does not show. */
  readonly #shapes: (DeltaShape | null)[] = [];
  /** Reasoning that may turn out to be signed, by part index. */
  readonly #thoughts = new Map<number, string>();

  constructor({ callId, request }: ReplyContext) {
    this.#callId = callId;
    this.#showsUsage = request.includeUsage;
    this.#ids = replyIds("", callId);
  }

  step(event: StreamEvent): readonly SseFrame[] {
    switch (event.type) {
      case "message_start":
        return this.#start(event);
      case "part_start":
        return this.#startPart(event.index, event.part);
      case "part_delta":
        return this.#addText(event.index, event.text);
      case "part_end":
        return event.proof ? this.#prove(event.index, event.proof) : NOTHING;
      case "message_end":
        return event.finish.reason === "error" ? NOTHING : this.#finish(event);
    }
  }

  end(): readonly SseFrame[] {
    return NOTHING;
  }

  fail(error: GatewayError, requestId: string): readonly SseFrame[] {
    return [{ event: "", data: JSON.stringify(encodeOpenAiError(error, requestId)) }];
  }

  #start({ id, model, createdAt }: Event<"message_start">): readonly SseFrame[] {
    this.#ids = replyIds(id, this.#callId);
    const head = {
      id: this.#ids.reply("chatcmpl-"),
      object: "chat.completion.chunk",
      created: createdAt,
      model,
    };
    this.#head = `${JSON.stringify(head).slice(0, -1)},"choices":[`;
    this.#tail = this.#showsUsage ? ',"usage":null}' : "}";
    return this.#chunk('{"role":"assistant","content":""}');
  }

  #startPart(index: number, part: PartHead): readonly SseFrame[] {
    if (part.type === "tool_call") return this.#startCall(index, part);
    if (part.type === "opaque" && part.dialect === CHAT) {
      return this.#chunk(JSON.stringify(part.value));
    }
    this.#shapes[index] = shapeOf(part);
    if (part.type === "reasoning") this.#thoughts.set(index, "");
    if (part.type === "refusal") this.#hasRefusal = true;
    return NOTHING;
  }

  #startCall(index: number, { id, name, form }: PartHead & { type: "tool_call" }) {
    const ordinal = this.#calls++;
    const member = form === "custom" ? "input" : "arguments";
    this.#shapes[index] = {
      before: `{"tool_calls":[{"index":${ordinal},"${form}":{"${member}":`,
      after: "}}]}",
    };
    const call = {
      index: ordinal,
      id: this.#ids.call(id, ordinal),
      type: form,
      [form]: { name, [member]: "" },
      ...this.#callProof,
    };
    this.#callProof = {};
    return this.#chunk(`{"tool_calls":[${JSON.stringify(call)}]}`);
  }

  #addText(index: number, text: string): readonly SseFrame[] {
    const shape = this.#shapes[index];
    if (!shape) return NOTHING;
    if (shape === REASONING) this.#thoughts.set(index, this.#thoughts.get(index) + text);
    return this.#chunk(shape.before + JSON.stringify(text) + shape.after);
  }

  #prove(index: number, proof: Proof): readonly SseFrame[] {
    const members = callMembers(proof);
    if (members) {
      this.#callProof = members;
      return NOTHING;
    }
    const detail = reasoningDetail(proof, this.#thoughts.get(index) ?? "");
    return this.#chunk(`{"reasoning_details":[${JSON.stringify(detail)}]}`);
  }

  #finish({ finish, usage }: Event<"message_end">): readonly SseFrame[] {
    const reason = chatFinish(finish, this.#hasRefusal);
    const done = { event: "", data: "[DONE]" };
    return [...this.#chunk("{}", JSON.stringify(reason)), ...this.#usage(usage), done];
  }

  #usage(usage: UsageReport): readonly SseFrame[] {
    if (!this.#showsUsage) return NOTHING;
    const data = `${this.#head}],"usage":${JSON.stringify(writeChatUsage(usage))}}`;
    return [{ event: "", data }];
  }

  #chunk(delta: string, reason = "null"): readonly SseFrame[] {
    const choice = `{"index":0,"delta":${delta},"logprobs":null,"finish_reason":${reason}}`;
    return [{ event: "", data: `${this.#head}${choice}]${this.#tail}` }];
  }
}

/** `null` for a part that this wire does not show. */
function shapeOf({ type }: PartHead): DeltaShape | null {
  switch (type) {
    case "reasoning":
      return REASONING;
    case "refusal":
      return REFUSAL;
    case "text":
      return TEXT;
    default:
      return null;
  }
}
