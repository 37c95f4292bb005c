import type { ChatResponse, Part, PartOf } from "@/core/chat.ts";
import type { ReplyContext } from "@/core/dialect.ts";
import { isObject, type JsonObject } from "@/core/json.ts";
import { callMembers, reasoningDetail } from "../proofs.ts";
import { type ReplyIds, replyIds } from "../reply_id.ts";
import { chatFinish, writeChatUsage } from "./finish.ts";
import { CHAT } from "./parts.ts";

/**
 * Writes a `chat.completion`.
 *
 * @see https://platform.openai.com/docs/api-reference/chat/object
 */
export function encodeChatResponse(response: ChatResponse, { callId }: ReplyContext): JsonObject {
  const ids = replyIds(response.id, callId);
  const hasRefusal = response.parts.some(({ type }) => type === "refusal");
  return {
    id: ids.reply("chatcmpl-"),
    object: "chat.completion",
    created: response.createdAt,
    model: response.model,
    choices: [{
      index: 0,
      message: chatReply(response.parts, ids),
      logprobs: null,
      finish_reason: chatFinish(response.finish, hasRefusal),
    }],
    usage: writeChatUsage(response.usage),
    ...response.extra[CHAT],
  };
}

function chatReply(parts: readonly Part[], ids: ReplyIds): JsonObject {
  const reasoning = parts.filter((part) => part.type === "reasoning");
  const details = reasoning.flatMap(({ text, proof }) =>
    proof && proof.kind !== "call" ? [reasoningDetail(proof, text)] : []
  );
  const calls = parts.filter((part) => part.type === "tool_call");
  const thought = textOfParts(parts, "reasoning");
  return {
    role: "assistant",
    content: textOfParts(parts, "text"),
    refusal: textOfParts(parts, "refusal"),
    ...Object.assign({}, ...parts.map(ownMembers)),
    ...(thought !== null && { reasoning_content: thought }),
    ...(details.length > 0 && { reasoning_details: details }),
    ...(calls.length > 0 && {
      tool_calls: calls.map((call, index) => ({
        ...chatCall(call, ids.call(call.id, index)),
        ...provenMembers(parts, call),
      })),
    }),
  };
}

/** The proof that stands before a call. */
function provenMembers(parts: readonly Part[], call: Part): JsonObject {
  const before = parts[parts.indexOf(call) - 1];
  return (before?.type === "reasoning" && before.proof && callMembers(before.proof)) || {};
}

/** Content that only this wire has; what stood among the texts has no place beside them. */
function ownMembers(part: Part): JsonObject {
  if (part.type !== "opaque" || part.dialect !== CHAT || !isObject(part.value)) return {};
  return "content" in part.value ? {} : part.value;
}

function chatCall({ form, name, input }: PartOf<"tool_call">, id: string): JsonObject {
  return form === "custom"
    ? { id, type: form, custom: { name, input } }
    : { id, type: form, function: { name, arguments: input } };
}

/** Texts of the parts of one type, joined; `null` when there is none. */
function textOfParts(
  parts: readonly Part[],
  type: "reasoning" | "refusal" | "text",
): string | null {
  return parts.map((part) => part.type === type ? part.text : "").join("") || null;
}
