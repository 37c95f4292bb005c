import type { FrameKind, ReplyFacts, Tap, TapOptions } from "@/core/dialect.ts";
import { isObject, type Json, type JsonObject } from "@/core/json.ts";
import type { UsageReport } from "@/core/usage.ts";
import { encodeOpenAiError } from "../error_body.ts";
import { faultOf, frameJson } from "../frame_json.ts";
import { upstreamBill } from "../upstream_bill.ts";
import { objectOrEmpty } from "../usage_report.ts";
import { utf8Bytes } from "../content_bytes.ts";
import { ArrivingCalls } from "./arriving_calls.ts";
import { callsOf, chatUsage, messageBytes, textualBytes } from "./reply.ts";

const NO_CALLS: readonly JsonObject[] = [];

/**
 * Reads a stream of `chat.completion.chunk` frames as it passes.
 *
 * @see https://platform.openai.com/docs/api-reference/chat-streaming
 */
export function tapChat({ withholdUsage }: TapOptions): Tap {
  const calls = new Map<Json, ArrivingCalls>();
  const open = new Set<Json>();
  let usage: UsageReport | null = null;
  let bill: ReturnType<typeof upstreamBill> = {};
  let servedModel: string | null = null;
  let finishReason: string | null = null;
  let contentBytes = 0;
  let fault: JsonObject | null = null;
  let done = false;

  function readChoice(choice: JsonObject): boolean {
    const index = choice["index"] ?? 0;
    const reason = choice["finish_reason"];
    const delta = objectOrEmpty(choice["delta"]);
    const called = delta["tool_calls"] || delta["function_call"] ? callsOf(delta) : NO_CALLS;
    const before = contentBytes;
    contentBytes += textualBytes(delta) + (called.length > 0 ? readCalls(index, called) : 0);
    open.add(index);
    if (isObject(choice["message"])) readWhole(index, choice["message"]);
    // Some providers send an empty reason with every chunk.
    if (typeof reason === "string" && reason !== "") {
      finishReason = reason;
      open.delete(index);
    }
    return contentBytes > before || called.length > 0;
  }

  function callsAt(choice: Json): ArrivingCalls {
    const known = calls.get(choice) ?? new ArrivingCalls();
    calls.set(choice, known);
    return known;
  }

  function readCalls(choice: Json, fragments: readonly JsonObject[]): number {
    const known = callsAt(choice);
    return fragments.reduce((sum, call, place) => sum + utf8Bytes(known.add(call, place).text), 0);
  }

  /** A whole message says again what was streamed, or more. */
  function readWhole(choice: Json, message: JsonObject): void {
    const known = callsAt(choice);
    callsOf(message).forEach((call, place) => known.addWhole(call, place));
    contentBytes = Math.max(contentBytes, messageBytes(message));
  }

  function readChunk(chunk: JsonObject): FrameKind {
    const choices: readonly Json[] = Array.isArray(chunk["choices"]) ? chunk["choices"] : [];
    const reported = isObject(chunk["usage"]);
    if (reported) {
      usage = chatUsage(chunk["usage"]) ?? usage;
      bill = upstreamBill(chunk["usage"]);
    }
    // Azure begins with a chunk about the prompt, whose model is empty.
    if (!servedModel && typeof chunk["model"] === "string") servedModel = chunk["model"];
    let hasContent = false;
    for (const choice of choices) if (isObject(choice) && readChoice(choice)) hasContent = true;
    if (hasContent) return "content";
    if (choices.length > 0) return finishReason === null ? "preamble" : "other";
    if (!reported) return "preamble";
    return withholdUsage ? "withheld" : "other";
  }

  return {
    read({ event, data }) {
      if (done) return "other";
      if (data === "") return "preamble";
      if (data.trim() === "[DONE]") {
        done = true;
        return "terminal";
      }
      const chunk = frameJson(data);
      if (!chunk) return "other";
      if ((chunk["error"] ?? null) === null && event !== "error") return readChunk(chunk);
      fault = faultOf(chunk["error"] ?? chunk);
      return "error";
    },
    facts: (): ReplyFacts => ({
      usage,
      servedModel,
      finishReason,
      contentBytes,
      toolCalls: [...calls.values()].reduce((sum, { list }) => sum + list.length, 0),
      proofs: [...calls.values()].flatMap(({ list }) =>
        list.flatMap(({ proof }) => proof?.value ?? [])
      ),
      ...bill,
    }),
    fault: () => fault,
    complete: () => done || (finishReason !== null && open.size === 0),
    errorFrame: (error, requestId) =>
      `data: ${JSON.stringify(encodeOpenAiError(error, requestId))}\n\n`,
  };
}
