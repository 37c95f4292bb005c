import type { FrameKind, Tap } from "@/core/dialect.ts";
import { type JsonObject, objectOrEmpty } from "@/core/json.ts";
import { utf8Bytes } from "../content_bytes.ts";
import { faultOf, frameJson } from "../frame_json.ts";
import { encodeMessagesError } from "./errors.ts";
import { blockBytes, isCall, mergedUsage, messageUsage, proofOf } from "./reply.ts";

/** What a tap of Messages streams knows so far. */
interface State {
  /** Per field the last value that was not null; the wire's numbers are cumulative. */
  usage: JsonObject;
  servedModel: string | null;
  finishReason: string | null;
  contentBytes: number;
  toolCalls: number;
  readonly proofs: string[];
  /** Proof of the block that is open; `null` when it is no reasoning. One that never closes has none. */
  proof: string | null;
  fault: JsonObject | null;
  done: boolean;
}

/**
 * Reads a stream of Messages events as it passes.
 *
 * @see https://docs.anthropic.com/en/docs/build-with-claude/streaming
 */
export function tapMessages(): Tap {
  const state: State = {
    usage: {},
    servedModel: null,
    finishReason: null,
    contentBytes: 0,
    toolCalls: 0,
    proofs: [],
    proof: null,
    fault: null,
    done: false,
  };
  return {
    read({ event, data }) {
      if (state.done) return "other";
      if (data === "") return "preamble";
      const value = frameJson(data);
      return value ? readEvent(state, value, event) : "other";
    },
    facts: () => ({
      usage: messageUsage(state.usage),
      servedModel: state.servedModel,
      finishReason: state.finishReason,
      contentBytes: state.contentBytes,
      toolCalls: state.toolCalls,
      proofs: state.proofs,
    }),
    fault: () => state.fault,
    complete: () => state.done || state.finishReason !== null,
    errorFrame: (error, requestId) =>
      `event: error\ndata: ${JSON.stringify(encodeMessagesError(error, requestId))}\n\n`,
  };
}

function readEvent(state: State, value: JsonObject, event: string): FrameKind {
  switch (value["type"] ?? event) {
    case "message_start":
      return readStart(state, objectOrEmpty(value["message"]));
    case "ping":
      return "preamble";
    case "content_block_start":
      return readBlockStart(state, objectOrEmpty(value["content_block"]));
    case "content_block_delta":
      return readDelta(state, objectOrEmpty(value["delta"]));
    case "content_block_stop":
      return readBlockStop(state);
    case "message_delta":
      return readMessageDelta(state, value);
    case "message_stop":
      state.done = true;
      return "terminal";
    case "error":
      state.fault = faultOf(value["error"] ?? value);
      return "error";
    default:
      return "other";
  }
}

function readStart(state: State, message: JsonObject): FrameKind {
  state.usage = mergedUsage(state.usage, message["usage"]);
  if (typeof message["model"] === "string") state.servedModel = message["model"];
  return "preamble";
}

/** A block that starts with content: a call, redacted thinking, or text in the opening frame. */
function readBlockStart(state: State, block: JsonObject): FrameKind {
  const bytes = blockBytes(block);
  state.contentBytes += bytes;
  if (isCall(block)) state.toolCalls++;
  state.proof = proofOf(block);
  return isCall(block) || block["type"] === "redacted_thinking" || bytes > 0 ? "content" : "other";
}

function readDelta(state: State, delta: JsonObject): FrameKind {
  const bytes = utf8Bytes(delta["text"]) + utf8Bytes(delta["thinking"]) +
    utf8Bytes(delta["partial_json"]);
  state.contentBytes += bytes;
  // It belongs to the block that is open: blocks come one after the other.
  if (typeof delta["signature"] === "string") state.proof = delta["signature"];
  return bytes > 0 ? "content" : "other";
}

function readBlockStop(state: State): FrameKind {
  if (state.proof !== null) state.proofs.push(state.proof);
  state.proof = null;
  return "other";
}

function readMessageDelta(state: State, value: JsonObject): FrameKind {
  const reason = objectOrEmpty(value["delta"])["stop_reason"];
  if (typeof reason === "string") state.finishReason = reason;
  state.usage = mergedUsage(state.usage, value["usage"]);
  return "other";
}
