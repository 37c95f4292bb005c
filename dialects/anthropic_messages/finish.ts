import type { Finish } from "@/core/chat.ts";
import { isObject, type JsonObject, textOrEmpty } from "@/core/json.ts";
import { failure } from "@/core/upstream_error.ts";
import type { UsageReport } from "@/core/usage.ts";

/** What each `stop_reason` means. */
const REASONS: Readonly<Record<string, Finish["reason"]>> = {
  end_turn: "stop",
  max_tokens: "length",
  model_context_window_exceeded: "context_full",
  pause_turn: "pause",
  refusal: "refusal",
  stop_sequence: "stop_sequence",
  tool_use: "tool_calls",
};

/** The `stop_reason` of each end; an error has none. */
const STOP_REASONS: Readonly<Record<Exclude<Finish["reason"], "error">, string>> = {
  stop: "end_turn",
  stop_sequence: "stop_sequence",
  length: "max_tokens",
  context_full: "model_context_window_exceeded",
  tool_calls: "tool_use",
  content_filter: "refusal",
  refusal: "refusal",
  pause: "pause_turn",
};

/** What a reply held by the time it ended. */
export interface Held {
  readonly content: boolean;
  readonly calls: boolean;
}

/**
 * Reads `stop_reason` and `stop_sequence`. A clean stop with a call in it is a stop for that call; an
 * unknown reason is a stop if there is content, else an error.
 */
export function decodeFinish(stop: JsonObject, held: Held): Finish {
  const { stop_reason: word, stop_sequence: sequence } = stop;
  const known = typeof word === "string" && Object.hasOwn(REASONS, word)
    ? REASONS[word]
    : undefined;
  const reason = known ?? (held.content ? "stop" : "error");
  if (reason === "error") return { reason, error: failure("upstream_bad_response", 200) };
  if (reason === "stop") return { reason: held.calls ? "tool_calls" : "stop" };
  const met = reason === "stop_sequence" && typeof sequence === "string" ? { sequence } : {};
  return { reason, ...met };
}

/** The words in which a provider refused; empty when it gave none. */
export function refusalText(stop: JsonObject): string {
  const details = stop["stop_details"];
  if (stop["stop_reason"] !== "refusal" || !isObject(details)) return "";
  return textOrEmpty(details["explanation"]);
}

/**
 * The members that say how a reply ended.
 *
 * @param refusal the words of a refusal, if there were any
 */
export function encodeStop({ reason, sequence }: Finish, refusal: string): JsonObject {
  const details = { type: "refusal", category: null, explanation: refusal };
  const end = reason === "stop" && refusal !== "" ? "refusal" : reason;
  return {
    stop_reason: end === "error" ? null : STOP_REASONS[end],
    stop_sequence: reason === "stop_sequence" ? sequence ?? null : null,
    stop_details: refusal === "" || end !== "refusal" ? null : details,
  };
}

/** Whether the output was cut off, so that the arguments of its last call may be too. */
export function isCut({ reason }: Finish): boolean {
  return reason === "length" || reason === "context_full";
}

/** The cumulative usage; `input_tokens` leaves out what was read from or written to the cache. */
export function encodeUsage(usage: UsageReport): JsonObject {
  const cachedInput = usage.cachedInput ?? 0;
  const cacheWrite = usage.cacheWrite ?? 0;
  return {
    input_tokens: Math.max(0, (usage.input ?? 0) - cachedInput - cacheWrite),
    cache_creation_input_tokens: cacheWrite,
    cache_read_input_tokens: cachedInput,
    output_tokens: usage.output ?? 0,
    output_tokens_details: { thinking_tokens: usage.reasoning ?? 0 },
  };
}

/** What was written to the cache, by lifetime; the neutral form knows no lifetimes. */
export function encodeCacheCreation({ cacheWrite }: UsageReport): JsonObject {
  return { ephemeral_5m_input_tokens: cacheWrite ?? 0, ephemeral_1h_input_tokens: 0 };
}
