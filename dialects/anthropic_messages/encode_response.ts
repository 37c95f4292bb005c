import type { ChatResponse, Part } from "@/core/chat.ts";
import type { ReplyContext } from "@/core/dialect.ts";
import { isObject, type JsonObject } from "@/core/json.ts";
import { argumentsObject } from "../exact_json.ts";
import { proofStanding } from "../proofs.ts";
import { type ReplyIds, replyIds } from "../reply_id.ts";
import { callProofBlock, signedBlock } from "./blocks.ts";
import { encodeCacheCreation, encodeStop, encodeUsage, isCut } from "./finish.ts";

/**
 * Writes a `message`.
 *
 * @see https://docs.anthropic.com/en/api/messages
 */
export function encodeMessagesResponse(response: ChatResponse, context: ReplyContext): JsonObject {
  const { id, model, finish, usage, extra } = response;
  const ids = replyIds(id, context.callId);
  return {
    id: ids.reply("msg_"),
    type: "message",
    role: "assistant",
    model,
    content: encodeContent(response, ids),
    ...encodeStop(finish, refusalOf(response)),
    container: null,
    usage: { ...encodeUsage(usage), cache_creation: encodeCacheCreation(usage) },
    ...extra.anthropic,
  };
}

function refusalOf({ parts }: ChatResponse): string {
  return parts.map((part) => part.type === "refusal" ? part.text : "").join("");
}

function encodeContent({ parts, finish }: ChatResponse, ids: ReplyIds): readonly JsonObject[] {
  const last = parts.length - 1;
  let calls = 0;
  return parts.flatMap((part, index) => {
    if (part.type === "tool_call") {
      const { name, input } = part;
      const cut = index === last && input === "" && isCut(finish);
      const id = ids.call(part.id, calls++);
      // No arguments would be an empty object, which a cut call must never look like.
      const argument = cut ? { _raw: "" } : argumentsObject(input);
      return [{ type: "tool_use", id, name, input: argument, ...part.extra.anthropic }];
    }
    return encodePart(part);
  });
}

function encodePart(part: Part): readonly JsonObject[] {
  switch (part.type) {
    case "refusal":
      return part.extra.anthropic ? [] : textBlock(part.text, {});
    case "text":
      return textBlock(part.text, part.extra.anthropic ?? {});
    case "reasoning":
      if (proofStanding(part, "anthropic") === "own") return [signedBlock(part)];
      if (part.proof?.kind === "call") return [callProofBlock(part.proof)];
      return part.text === "" ? [] : [{ type: "thinking", thinking: part.text, signature: "" }];
    case "opaque":
      return part.dialect === "anthropic" && isObject(part.value) ? [part.value] : [];
    default:
      return [];
  }
}

function textBlock(text: string, members: JsonObject): readonly JsonObject[] {
  return text === "" ? [] : [{ type: "text", text, ...members }];
}
