import type { PartHead, Proof, StreamEvent } from "@/core/chat.ts";
import { isObject, type Json, type JsonObject, objectOrEmpty, textOrEmpty } from "@/core/json.ts";
import type { Stepper } from "@/core/stream.ts";
import { classifyEvent, failure, type UpstreamError } from "@/core/upstream_error.ts";
import { NO_USAGE } from "@/core/usage.ts";
import type { SseFrame } from "@/core/wire.ts";
import { argumentsText, holdsNumber, parseExact } from "../exact_json.ts";
import { faultOf, frameJson } from "../frame_json.ts";
import { anthropicProof, proofOfRedacted } from "../proofs.ts";
import { decodeFinish, isCut, refusalText } from "./finish.ts";
import { unread, wholly } from "../unread.ts";
import { ownExtra } from "./parts.ts";
import { mergedUsage, MESSAGE_MEMBERS, messageUsage } from "./reply.ts";

/** What is read of a `message_delta`. */
const DELTA_MEMBERS = wholly("type", "delta", "usage");

/** Frames without JSON in a row that break a stream. */
const MAX_GARBAGE = 3;

const NOTHING: readonly StreamEvent[] = [];

/** The delta of each kind of block, and the member that holds its text. */
const DELTAS: Readonly<Record<string, { readonly kind: Kind; readonly member: string }>> = {
  text_delta: { kind: "text", member: "text" },
  thinking_delta: { kind: "thinking", member: "thinking" },
  signature_delta: { kind: "thinking", member: "signature" },
  input_json_delta: { kind: "tool_use", member: "partial_json" },
};

type Kind = "text" | "thinking" | "redacted_thinking" | "tool_use" | "opaque";

/** A content block that is open. */
interface Block {
  readonly index: number;
  readonly kind: Kind;
  /** Signature or redacted data, as far as it came. */
  proof: string;
  /** Arguments that the block started with. */
  readonly input: string;
  fed: boolean;
}

/**
 * Reads a stream of Messages events.
 *
 * @see https://docs.anthropic.com/en/docs/build-with-claude/streaming
 */
export function decodeMessagesStream(): Stepper<SseFrame, StreamEvent> {
  return new MessagesDecoder();
}

class MessagesDecoder implements Stepper<SseFrame, StreamEvent> {
  /** Open blocks by their index on the wire. */
  readonly #blocks = new Map<unknown, Block>();
  /** A call that stopped without arguments: whether it was cut is known later. */
  #bareCall: Block | null = null;
  #parts = 0;
  #openCalls = 0;
  #held = { content: false, calls: false };
  #started = false;
  #done = false;
  #garbage = 0;
  #usage: JsonObject = {};
  /** What `message_delta` frames said, by member: the last word counts. */
  readonly #stop = new Map<string, Json | undefined>();
  readonly #extra = new Map<string, Json | undefined>();

  step({ event, data }: SseFrame): readonly StreamEvent[] {
    if (this.#done || data === "") return NOTHING;
    const value = frameJson(data);
    if (!value) return this.#skip();
    this.#garbage = 0;
    switch (value["type"] ?? event) {
      case "content_block_delta":
        return this.#delta(value["index"], objectOrEmpty(value["delta"]));
      case "content_block_start":
        return this.#startBlock(value, data);
      case "content_block_stop":
        return this.#stopBlock(value["index"]);
      case "message_start":
        return this.#start(objectOrEmpty(value["message"]));
      case "message_delta":
        this.#noteStop(value);
        return NOTHING;
      case "message_stop":
        return this.#finish();
      case "error":
        return this.#break(classifyEvent(faultOf(value["error"] ?? value), 200));
      default:
        return NOTHING;
    }
  }

  end(): readonly StreamEvent[] {
    if (this.#done) return NOTHING;
    const ended = typeof this.#stop.get("stop_reason") === "string";
    return ended ? this.#finish() : this.#break(failure("upstream_network", 200));
  }

  /** A frame that is no JSON is passed over, but not inside a call and not for ever. */
  #skip(): readonly StreamEvent[] {
    this.#garbage++;
    if (this.#garbage < MAX_GARBAGE && this.#openCalls === 0) return NOTHING;
    return this.#break(failure("upstream_bad_response", 200));
  }

  #break(error: UpstreamError): readonly StreamEvent[] {
    this.#done = true;
    const usage = messageUsage(this.#usage) ?? NO_USAGE;
    const finish = { reason: "error", error } as const;
    return [{ type: "message_end", finish, usage, extra: {} }];
  }

  #start(message: JsonObject): readonly StreamEvent[] {
    this.#usage = mergedUsage(this.#usage, message["usage"]);
    if (this.#started) return NOTHING;
    this.#started = true;
    const { id, model } = message;
    return [{
      type: "message_start",
      id: textOrEmpty(id),
      model: textOrEmpty(model),
      createdAt: 0,
      usage: messageUsage(this.#usage) ?? NO_USAGE,
      extra: ownExtra(unread(message, MESSAGE_MEMBERS)),
    }];
  }

  #startBlock(value: JsonObject, data: string): readonly StreamEvent[] {
    const out = this.#started ? [] : [...this.#start({})];
    const wire = objectOrEmpty(value["content_block"]);
    const wireIndex = value["index"];
    const before = this.#blocks.get(wireIndex);
    if (before) this.#close(before, out, false);
    this.#settleBareCall(out, false);
    const block: Block = {
      index: this.#parts++,
      kind: kindOf(wire),
      proof: textOrEmpty(wire["data"]) || textOrEmpty(wire["signature"]),
      input: wire["type"] === "tool_use" ? startInput(wire, data) : "",
      fed: false,
    };
    this.#blocks.set(wireIndex, block);
    if (block.kind === "tool_use") this.#openCalls++;
    this.#held.calls ||= block.kind === "tool_use";
    this.#held.content ||= block.kind === "tool_use" || block.kind === "redacted_thinking";
    out.push({ type: "part_start", index: block.index, part: headOf(block.kind, wire) });
    const opening = block.kind === "text" ? wire["text"] : wire["thinking"];
    if (block.kind === "text" || block.kind === "thinking") this.#feed(block, opening, out);
    return out;
  }

  #delta(wireIndex: unknown, delta: JsonObject): readonly StreamEvent[] {
    const type = textOrEmpty(delta["type"]);
    const known = Object.hasOwn(DELTAS, type) ? DELTAS[type] : undefined;
    const block = this.#blocks.get(wireIndex);
    if (!known || !block || block.kind !== known.kind) return NOTHING;
    const text = delta[known.member];
    if (type === "signature_delta") {
      block.proof += textOrEmpty(text);
      return NOTHING;
    }
    const out: StreamEvent[] = [];
    this.#feed(block, text, out);
    return out;
  }

  #feed(block: Block, text: unknown, out: StreamEvent[]): void {
    if (typeof text !== "string" || text === "") return;
    block.fed = true;
    this.#held.content = true;
    out.push({ type: "part_delta", index: block.index, text });
  }

  #stopBlock(wireIndex: unknown): readonly StreamEvent[] {
    const block = this.#blocks.get(wireIndex);
    if (!block) return NOTHING;
    this.#blocks.delete(wireIndex);
    if (block.kind === "tool_use") this.#openCalls--;
    const out: StreamEvent[] = [];
    if (block.kind === "tool_use" && !block.fed && block.input === "{}") {
      this.#settleBareCall(out, false);
      this.#bareCall = block;
    } else {
      this.#close(block, out, false);
    }
    return out;
  }

  #settleBareCall(out: StreamEvent[], cut: boolean): void {
    const block = this.#bareCall;
    this.#bareCall = null;
    if (block) this.#close(block, out, cut);
  }

  #close(block: Block, out: StreamEvent[], cut: boolean): void {
    const unfed = block.kind === "tool_use" && !block.fed && !(cut && block.input === "{}");
    if (unfed) this.#feed(block, block.input, out);
    const proof = proofOf(block);
    out.push({ type: "part_end", index: block.index, ...(proof && { proof }) });
  }

  #noteStop(value: JsonObject): void {
    this.#usage = mergedUsage(this.#usage, value["usage"]);
    note(this.#stop, unread(objectOrEmpty(value["delta"]), {}));
    note(this.#extra, unread(value, DELTA_MEMBERS));
  }

  #finish(): readonly StreamEvent[] {
    this.#done = true;
    const stop: JsonObject = Object.fromEntries(this.#stop);
    const finish = decodeFinish(stop, this.#held);
    const out = this.#started ? [] : [...this.#start({})];
    const cut = isCut(finish);
    this.#settleBareCall(out, cut);
    for (const block of this.#blocks.values()) this.#close(block, out, cut);
    const refusal = refusalText(stop);
    if (refusal !== "") this.#refuse(refusal, out);
    const { stop_reason: _, stop_sequence: __, ...rest } = stop;
    out.push({
      type: "message_end",
      finish,
      usage: messageUsage(this.#usage) ?? NO_USAGE,
      extra: ownExtra({ ...rest, ...Object.fromEntries(this.#extra) }),
    });
    return out;
  }

  /** The words of a refusal are no content block here; the mark keeps them out of one. */
  #refuse(text: string, out: StreamEvent[]): void {
    const index = this.#parts++;
    out.push({ type: "part_start", index, part: { type: "refusal", extra: { anthropic: {} } } });
    out.push({ type: "part_delta", index, text });
    out.push({ type: "part_end", index });
  }
}

function note(known: Map<string, Json | undefined>, members: JsonObject): void {
  for (const [name, member] of Object.entries(members)) known.set(name, member);
}

function kindOf({ type }: JsonObject): Kind {
  return type === "text" || type === "thinking" || type === "redacted_thinking" ||
      type === "tool_use"
    ? type
    : "opaque";
}

function headOf(kind: Kind, wire: JsonObject): PartHead {
  if (kind === "text") return { type: "text" };
  if (kind === "opaque") return { type: "opaque", dialect: "anthropic", value: wire };
  if (kind !== "tool_use") return { type: "reasoning", summary: false };
  const { id, name } = wire;
  return { type: "tool_call", id: textOrEmpty(id), name: textOrEmpty(name), form: "function" };
}

/** The arguments a call starts with, numbers as they were spelled. */
function startInput(wire: JsonObject, data: string): string {
  if (!holdsNumber(wire["input"])) return argumentsText(wire["input"]);
  const frame = parseExact(data);
  const block = isObject(frame) ? objectOrEmpty(frame["content_block"]) : wire;
  return argumentsText(block["input"]);
}

function proofOf({ kind, proof }: Block): Proof | null {
  if (proof === "") return null;
  if (kind === "redacted_thinking") return proofOfRedacted(proof);
  return kind === "thinking" ? anthropicProof("signature", proof) : null;
}
