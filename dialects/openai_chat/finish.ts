import type { Finish } from "@/core/chat.ts";
import type { JsonObject } from "@/core/json.ts";
import { failure } from "@/core/upstream_error.ts";
import type { UsageReport } from "@/core/usage.ts";

/** What a reply holds, as far as it decides what its end means. */
export interface ReplyContent {
  readonly calls: boolean;
  readonly refusal: boolean;
  /** Whether it holds anything. */
  readonly any: boolean;
}

/**
 * Reads `finish_reason`. A clean stop with a call in it is `tool_calls`, whatever the wire says; what
 * was cut or filtered stays so.
 *
 * @see https://platform.openai.com/docs/api-reference/chat/object
 */
export function readChatFinish(word: string | null, content: ReplyContent): Finish {
  if (word === "length" || word === "content_filter") return { reason: word };
  // Brokers end a generation that broke so; it must not look finished.
  if (word === "error") return { reason: word, error: failure("upstream_overloaded", 200) };
  if (content.calls) return { reason: "tool_calls" };
  if (content.refusal) return { reason: "refusal" };
  if (word === "stop" || content.any) return { reason: "stop" };
  return { reason: "error", error: failure("upstream_bad_response", 200) };
}

/** The `finish_reason` of a reply; `null` for one that broke. */
export function chatFinish({ reason }: Finish, hasRefusal: boolean): string | null {
  switch (reason) {
    case "length":
    case "context_full":
      return "length";
    case "tool_calls":
    case "content_filter":
      return reason;
    case "refusal":
      return hasRefusal ? "stop" : "content_filter";
    case "stop":
    case "stop_sequence":
    case "pause":
      return "stop";
    case "error":
      return null;
  }
}

/** The `usage` of a reply; unknown numbers are 0. */
export function writeChatUsage(usage: UsageReport): JsonObject {
  const [input, output] = [usage.input ?? 0, usage.output ?? 0];
  return {
    prompt_tokens: input,
    completion_tokens: output,
    total_tokens: input + output,
    prompt_tokens_details: {
      cached_tokens: usage.cachedInput ?? 0,
      cache_write_tokens: usage.cacheWrite ?? 0,
      image_tokens: usage.image ?? 0,
    },
    completion_tokens_details: { reasoning_tokens: usage.reasoning ?? 0 },
  };
}
