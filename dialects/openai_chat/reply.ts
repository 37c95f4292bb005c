import type { ReplyFacts } from "@/core/dialect.ts";
import { isObject, type Json, type JsonObject, objectOrEmpty, textOrEmpty } from "@/core/json.ts";
import { tokenCount, type UsageReport } from "@/core/usage.ts";
import { textBytes, utf8Bytes } from "../content_bytes.ts";
import { callProof } from "../proofs.ts";
import { upstreamBill } from "../upstream_bill.ts";
import { usageReport } from "../usage_report.ts";

/**
 * Reads a `chat.completion`.
 *
 * @see https://platform.openai.com/docs/api-reference/chat/object
 */
export function readChatReply(body: Json): ReplyFacts | null {
  if (!isObject(body) || !Array.isArray(body["choices"]) || (body["error"] ?? null) !== null) {
    return null;
  }
  const choices = body["choices"].filter(isObject);
  const messages = choices.map((choice) => objectOrEmpty(choice["message"]));
  const finish = choices.map((choice) => choice["finish_reason"]).find((reason) =>
    typeof reason === "string"
  );
  return {
    usage: chatUsage(body["usage"]),
    servedModel: typeof body["model"] === "string" ? body["model"] : null,
    finishReason: typeof finish === "string" ? finish : null,
    contentBytes: messages.reduce((sum, message) => sum + messageBytes(message), 0),
    toolCalls: messages.reduce((sum, message) => sum + callsOf(message).length, 0),
    proofs: messages.flatMap(callsOf).flatMap((call) => callProof(call)?.value ?? []),
    ...upstreamBill(body["usage"]),
  };
}

/**
 * Reads a `usage` object. Some providers report cached tokens elsewhere, and some leave reasoning out
 * of `completion_tokens`: their total then says so.
 */
export function chatUsage(value: Json | undefined): UsageReport | null {
  if (!isObject(value)) return null;
  const input = objectOrEmpty(value["prompt_tokens_details"]);
  const reasoning = objectOrEmpty(value["completion_tokens_details"])["reasoning_tokens"];
  return usageReport({
    input: value["prompt_tokens"],
    output: outputTokens(value, tokenCount(reasoning)),
    cachedInput: input["cached_tokens"] ?? value["prompt_cache_hit_tokens"] ??
      value["cached_tokens"],
    cacheWrite: input["cache_write_tokens"],
    image: input["image_tokens"],
    reasoning,
  });
}

/** UTF-8 bytes of the content of a message or a delta. */
export function messageBytes(message: JsonObject): number {
  return callsOf(message).reduce((sum, call) => sum + callBytes(call), textualBytes(message));
}

/** UTF-8 bytes of what a message or a delta says beside its calls. */
export function textualBytes(message: JsonObject): number {
  const { content, refusal, audio } = message;
  const spoken = isObject(audio) ? utf8Bytes(audio["transcript"]) : 0;
  return textBytes(content) + utf8Bytes(reasoningText(message)) + utf8Bytes(refusal) + spoken;
}

/** The reasoning of a message or a delta: a text under one of two names, or parts of its content. */
export function reasoningText(message: JsonObject): string {
  const named = message["reasoning_content"] || message["reasoning"];
  if (typeof named === "string" && named !== "") return named;
  const { content } = message;
  return Array.isArray(content) ? content.map(thoughtOf).join("") : "";
}

/** Mistral's models think in parts: `{type: "thinking", thinking: [{type: "text", text}]}`. */
function thoughtOf(part: Json): string {
  const thinking = isObject(part) && part["type"] === "thinking" ? part["thinking"] : null;
  if (!Array.isArray(thinking)) return textOrEmpty(thinking);
  return thinking.map((piece) => textOrEmpty(objectOrEmpty(piece)["text"])).join("");
}

/** The tool calls of a message or a delta, the legacy function call included. */
export function callsOf(message: JsonObject): readonly JsonObject[] {
  const calls = message["tool_calls"];
  if (Array.isArray(calls)) return calls.filter(isObject);
  const legacy = message["function_call"];
  return isObject(legacy) ? [{ index: 0, function: legacy }] : [];
}

function callBytes(call: JsonObject): number {
  return utf8Bytes(objectOrEmpty(call["function"])["arguments"]) +
    utf8Bytes(objectOrEmpty(call["custom"])["input"]);
}

function outputTokens(usage: JsonObject, reasoning: number | null): number | null {
  const [prompt, completion, total] = ["prompt_tokens", "completion_tokens", "total_tokens"]
    .map((key) => tokenCount(usage[key]));
  if (reasoning === null || prompt == null || completion == null) return completion ?? null;
  const apart = reasoning > 0 && total === prompt + completion + reasoning;
  return apart ? completion + reasoning : completion;
}
