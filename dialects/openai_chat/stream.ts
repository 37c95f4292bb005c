import type { FrameKind, ReplyFacts, Tap, TapOptions } from "@/core/dialect.ts";
import { isObject, type Json, type JsonObject } from "@/core/json.ts";
import type { UsageReport } from "@/core/usage.ts";
import { encodeOpenAiError } from "../error_body.ts";
import { faultOf, frameJson } from "../frame_json.ts";
import { upstreamBill } from "../upstream_bill.ts";
import { objectOrEmpty } from "../usage_report.ts";
import { callsOf, chatUsage, messageBytes } from "./reply.ts";

/**
 * Reads a stream of `chat.completion.chunk` frames as it passes.
 *
 * @see https://platform.openai.com/docs/api-reference/chat-streaming
 */
export function tapChat({ withholdUsage }: TapOptions): Tap {
  const calls = callCounter();
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
    const called = callsOf(delta);
    const bytes = messageBytes(delta);
    contentBytes += bytes;
    for (const call of called) calls.add(index, call);
    open.add(index);
    // Some providers send an empty reason with every chunk.
    if (typeof reason === "string" && reason !== "") {
      finishReason = reason;
      open.delete(index);
    }
    return bytes > 0 || called.length > 0;
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
      toolCalls: calls.count(),
      proofs: [],
      ...bill,
    }),
    fault: () => fault,
    complete: () => done || (finishReason !== null && open.size === 0),
    errorFrame: (error, requestId) =>
      `data: ${JSON.stringify(encodeOpenAiError(error, requestId))}\n\n`,
  };
}

/** Counts calls keyed by index, else id, else the open one; a new id with a name is a new call. */
function callCounter() {
  const ids = new Map<string, Json>();
  let current = "";
  let count = 0;
  return {
    count: () => count,
    add(choice: Json, call: JsonObject): void {
      const id = call["id"] ?? "";
      const named = (objectOrEmpty(call["function"] ?? call["custom"])["name"] ?? "") !== "";
      const place = call["index"] ?? (id === "" ? null : id);
      if (place !== null) current = `${choice} ${place}`;
      const known = ids.get(current);
      if (known === undefined || (id !== "" && known !== "" && id !== known && named)) count++;
      if (known === undefined || id !== "") ids.set(current, id);
    },
  };
}
