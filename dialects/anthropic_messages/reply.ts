import type { ReplyFacts } from "@/core/dialect.ts";
import { isObject, type Json, type JsonObject, objectOrEmpty, textOrEmpty } from "@/core/json.ts";
import { tokenCount, type UsageReport } from "@/core/usage.ts";
import { utf8Bytes } from "../content_bytes.ts";
import { wholly } from "../unread.ts";
import { usageReport } from "../usage_report.ts";

/** Members of a `message` that have a neutral meaning, or say what it is. */
export const MESSAGE_MEMBERS = wholly(
  "content",
  "id",
  "model",
  "role",
  "stop_reason",
  "stop_sequence",
  "type",
  "usage",
);

/**
 * Reads a `message`.
 *
 * @see https://docs.anthropic.com/en/api/messages
 */
export function readMessage(body: Json): ReplyFacts | null {
  if (!isObject(body) || !Array.isArray(body["content"]) || body["type"] === "error") return null;
  const blocks = body["content"].filter(isObject);
  return {
    usage: messageUsage(objectOrEmpty(body["usage"])),
    servedModel: typeof body["model"] === "string" ? body["model"] : null,
    finishReason: typeof body["stop_reason"] === "string" ? body["stop_reason"] : null,
    contentBytes: blocks.reduce((sum, block) => sum + blockBytes(block), 0),
    toolCalls: blocks.filter(isCall).length,
    proofs: blocks.flatMap((block) => proofOf(block) ?? []),
  };
}

/** The proof of a reasoning block, empty when it has none; `null` for other blocks. */
export function proofOf(block: JsonObject): string | null {
  if (block["type"] === "thinking") return textOrEmpty(block["signature"]);
  return block["type"] === "redacted_thinking" ? textOrEmpty(block["data"]) : null;
}

/** Reads `usage`: `input_tokens` leaves out what was read from or written to the cache. */
export function messageUsage(usage: JsonObject): UsageReport | null {
  const input = tokenCount(usage["input_tokens"]);
  const cachedInput = tokenCount(usage["cache_read_input_tokens"]);
  const cacheWrite = tokenCount(usage["cache_creation_input_tokens"]);
  return usageReport({
    input: input === null ? null : input + (cachedInput ?? 0) + (cacheWrite ?? 0),
    output: usage["output_tokens"],
    cachedInput,
    cacheWrite,
    reasoning: objectOrEmpty(usage["output_tokens_details"])["thinking_tokens"],
  });
}

/** Members of `usage` that are read. */
const USAGE_MEMBERS = [
  "cache_creation_input_tokens",
  "cache_read_input_tokens",
  "input_tokens",
  "output_tokens",
  "output_tokens_details",
] as const;

/** The usage known so far of a stream: its numbers are cumulative, and null says nothing. */
export function mergedUsage(before: JsonObject, usage: Json | undefined): JsonObject {
  if (!isObject(usage)) return before;
  const known = USAGE_MEMBERS.map((name) => [name, usage[name] ?? before[name]] as const);
  return Object.fromEntries(known.filter(([, field]) => field !== undefined));
}

/** UTF-8 bytes of text, thinking and tool input of one block. */
export function blockBytes(block: JsonObject): number {
  const { input } = block;
  const called = isObject(input) && Object.keys(input).length > 0 ? JSON.stringify(input) : "";
  return utf8Bytes(block["text"]) + utf8Bytes(block["thinking"]) + utf8Bytes(called);
}

/** Whether a block is a call of a tool that the caller runs. */
export function isCall(block: JsonObject): boolean {
  return block["type"] === "tool_use";
}
