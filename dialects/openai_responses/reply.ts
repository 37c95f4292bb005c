import type { Finish } from "@/core/chat.ts";
import type { ReplyFacts } from "@/core/dialect.ts";
import { isObject, type Json, type JsonObject, objectOrEmpty, textOrEmpty } from "@/core/json.ts";
import { failure } from "@/core/upstream_error.ts";
import type { UsageReport } from "@/core/usage.ts";
import { textBytes, utf8Bytes } from "../content_bytes.ts";
import { upstreamBill } from "../upstream_bill.ts";
import { usageReport } from "../usage_report.ts";

/**
 * Reads a `response` object.
 *
 * @see https://platform.openai.com/docs/api-reference/responses/object
 */
export function readResponse(body: Json): ReplyFacts | null {
  if (!isObject(body) || !Array.isArray(body["output"]) || (body["error"] ?? null) !== null) {
    return null;
  }
  const items = body["output"].filter(isObject);
  return {
    usage: responseUsage(body["usage"]),
    servedModel: typeof body["model"] === "string" ? body["model"] : null,
    finishReason: finishOf(body),
    contentBytes: itemsBytes(items),
    toolCalls: items.filter(isCall).length,
    proofs: proofsOf(items),
    ...upstreamBill(body["usage"]),
  };
}

/** The proofs of reasoning items, empty for those that have none. */
export function proofsOf(items: readonly JsonObject[]): readonly string[] {
  return items.flatMap((item) => proofOf(item) ?? []);
}

/** The proof of a reasoning item, empty when it has none; `null` for other items. */
export function proofOf(item: JsonObject): string | null {
  return item["type"] === "reasoning" ? textOrEmpty(item["encrypted_content"]) : null;
}

/** Reads a `usage` object. */
export function responseUsage(value: Json | undefined): UsageReport | null {
  if (!isObject(value)) return null;
  const input = objectOrEmpty(value["input_tokens_details"]);
  return usageReport({
    input: value["input_tokens"],
    output: value["output_tokens"],
    cachedInput: input["cached_tokens"] ?? value["cached_tokens"],
    cacheWrite: input["cache_write_tokens"],
    image: input["image_tokens"],
    reasoning: objectOrEmpty(value["output_tokens_details"])["reasoning_tokens"],
  });
}

/** Why a response is incomplete, else its status; `null` while it runs. */
export function finishOf(response: JsonObject): string | null {
  const reason = objectOrEmpty(response["incomplete_details"])["reason"];
  if (typeof reason === "string") return reason;
  const status = response["status"];
  return typeof status === "string" && status !== "in_progress" ? status : null;
}

/** UTF-8 bytes of the content of output items. */
export function itemsBytes(items: readonly Json[]): number {
  return items.reduce<number>((sum, item) => sum + (isObject(item) ? itemBytes(item) : 0), 0);
}

/** UTF-8 bytes of text, refusals, reasoning and tool arguments of one output item. */
export function itemBytes(item: JsonObject): number {
  const parts = Array.isArray(item["content"]) ? item["content"] : [];
  const refusals = parts.reduce<number>(
    (sum, part) => sum + utf8Bytes(objectOrEmpty(part)["refusal"]),
    0,
  );
  return textBytes(item["content"]) + refusals + textBytes(item["summary"]) +
    utf8Bytes(item["arguments"]) + (isCall(item) ? utf8Bytes(item["input"]) : 0);
}

/** Whether an output item is a call of a tool that the caller runs. */
export function isCall(item: JsonObject): boolean {
  const type = item["type"];
  return typeof type === "string" && type.endsWith("_call") && !HOSTED_CALL.test(type);
}

const HOSTED_CALL = /^(web_search|file_search|code_interpreter|image_generation|mcp)_call$/;

/** What a reply holds, as far as its finish depends on it. */
export interface Held {
  readonly content: boolean;
  readonly call: boolean;
  readonly refusal: boolean;
}

/** Why a reply ended. Calls make a clean stop `tool_calls`; they never hide a cut. */
export function readFinish(response: JsonObject, held: Held): Finish {
  const word = finishOf(response);
  if (word === "max_output_tokens") return { reason: "length" };
  if (word === "content_filter") return { reason: "content_filter" };
  if (held.call) return { reason: "tool_calls" };
  if (held.refusal) return { reason: "refusal" };
  if (word === "completed" || held.content) return { reason: "stop" };
  return { reason: "error", error: failure("upstream_bad_response", 200) };
}
