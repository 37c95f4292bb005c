import type { FrameKind, Tap, TapOptions } from "@/core/dialect.ts";
import { isObject, type Json, type JsonObject, objectOrEmpty } from "@/core/json.ts";
import type { UsageReport } from "@/core/usage.ts";
import { encodeOpenAiError } from "../error_body.ts";
import { faultOf, frameJson } from "../frame_json.ts";
import { upstreamBill } from "../upstream_bill.ts";
import { utf8Bytes } from "../content_bytes.ts";
import { ArrivingCalls } from "./arriving_calls.ts";
import { callsOf, chatUsage, messageBytes, textualBytes } from "./reply.ts";

const NO_CALLS: readonly JsonObject[] = [];

/** What a tap of Chat streams knows so far. */
interface State {
  readonly withholdUsage: boolean;
  /** Calls by the index of their choice. */
  readonly calls: Map<Json, ArrivingCalls>;
  /** Choices without a finish reason. */
  readonly open: Set<Json>;
  usage: UsageReport | null;
  bill: ReturnType<typeof upstreamBill>;
  servedModel: string | null;
  finishReason: string | null;
  contentBytes: number;
  fault: JsonObject | null;
  done: boolean;
}

/**
 * Reads a stream of `chat.completion.chunk` frames as it passes.
 *
 * @see https://platform.openai.com/docs/api-reference/chat-streaming
 */
export function tapChat({ withholdUsage }: TapOptions): Tap {
  const state: State = {
    withholdUsage,
    calls: new Map(),
    open: new Set(),
    usage: null,
    bill: {},
    servedModel: null,
    finishReason: null,
    contentBytes: 0,
    fault: null,
    done: false,
  };
  return {
    read({ event, data }) {
      if (state.done) return "other";
      if (data === "") return "preamble";
      if (data.trim() === "[DONE]") {
        state.done = true;
        return "terminal";
      }
      const chunk = frameJson(data);
      return chunk ? readFrame(state, chunk, event) : "other";
    },
    facts() {
      const calls = [...state.calls.values()].flatMap(({ list }) => list);
      return {
        usage: state.usage,
        servedModel: state.servedModel,
        finishReason: state.finishReason,
        contentBytes: state.contentBytes,
        toolCalls: calls.length,
        proofs: calls.flatMap(({ proof }) => proof?.value ?? []),
        ...state.bill,
      };
    },
    fault: () => state.fault,
    complete: () => state.done || (state.finishReason !== null && state.open.size === 0),
    errorFrame: (error, requestId) =>
      `data: ${JSON.stringify(encodeOpenAiError(error, requestId))}\n\n`,
  };
}

function readFrame(state: State, chunk: JsonObject, event: string): FrameKind {
  if ((chunk["error"] ?? null) === null && event !== "error") return readChunk(state, chunk);
  state.fault = faultOf(chunk["error"] ?? chunk);
  return "error";
}

function readChunk(state: State, chunk: JsonObject): FrameKind {
  const choices: readonly Json[] = Array.isArray(chunk["choices"]) ? chunk["choices"] : [];
  const reported = isObject(chunk["usage"]);
  if (reported) {
    state.usage = chatUsage(chunk["usage"]) ?? state.usage;
    state.bill = upstreamBill(chunk["usage"]);
  }
  // Azure begins with a chunk about the prompt, whose model is empty.
  if (!state.servedModel && typeof chunk["model"] === "string") state.servedModel = chunk["model"];
  let hasContent = false;
  for (const choice of choices) {
    if (isObject(choice) && readChoice(state, choice)) hasContent = true;
  }
  if (hasContent) return "content";
  if (choices.length > 0) return state.finishReason === null ? "preamble" : "other";
  if (!reported) return "preamble";
  return state.withholdUsage ? "withheld" : "other";
}

/** Reads a choice; tells whether it held content. */
function readChoice(state: State, choice: JsonObject): boolean {
  const index = choice["index"] ?? 0;
  const reason = choice["finish_reason"];
  const delta = objectOrEmpty(choice["delta"]);
  const called = delta["tool_calls"] || delta["function_call"] ? callsOf(delta) : NO_CALLS;
  const before = state.contentBytes;
  state.contentBytes += textualBytes(delta) +
    (called.length > 0 ? readCalls(state, index, called) : 0);
  state.open.add(index);
  if (isObject(choice["message"])) readWhole(state, index, choice["message"]);
  // Some providers send an empty reason with every chunk.
  if (typeof reason === "string" && reason !== "") {
    state.finishReason = reason;
    state.open.delete(index);
  }
  return state.contentBytes > before || called.length > 0;
}

function readCalls(state: State, choice: Json, fragments: readonly JsonObject[]): number {
  const known = callsAt(state, choice);
  return fragments.reduce((sum, call, place) => sum + utf8Bytes(known.add(call, place).text), 0);
}

/** A whole message says again what was streamed, or more. */
function readWhole(state: State, choice: Json, message: JsonObject): void {
  const known = callsAt(state, choice);
  callsOf(message).forEach((call, place) => known.addWhole(call, place));
  state.contentBytes = Math.max(state.contentBytes, messageBytes(message));
}

function callsAt({ calls }: State, choice: Json): ArrivingCalls {
  const known = calls.get(choice) ?? new ArrivingCalls();
  calls.set(choice, known);
  return known;
}
