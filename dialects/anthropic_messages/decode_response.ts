import type { ChatResponse, Part } from "@/core/chat.ts";
import { isObject, type JsonObject, objectOrEmpty } from "@/core/json.ts";
import { NO_USAGE } from "@/core/usage.ts";
import type { WireBody } from "@/core/wire.ts";
import { holdsNumber, parseExact } from "../exact_json.ts";
import { decodeFinish, refusalText } from "./finish.ts";
import { unread } from "../unread.ts";
import { decodeBlock, ownExtra } from "./parts.ts";
import { isCall, MESSAGE_MEMBERS, messageUsage } from "./reply.ts";

/**
 * Reads a `message`.
 *
 * @see https://docs.anthropic.com/en/api/messages
 */
export function decodeMessagesResponse(reply: WireBody): ChatResponse {
  const { body } = reply;
  const { id, model } = body;
  const parts = [...readBlocks(reply).map(readBlock), ...refusalPart(body)];
  const held = {
    content: parts.some(({ type }) => type !== "opaque"),
    calls: parts.some(({ type }) => type === "tool_call"),
  };
  return {
    id: typeof id === "string" ? id : "",
    model: typeof model === "string" ? model : "",
    createdAt: 0,
    parts,
    finish: decodeFinish(body, held),
    usage: messageUsage(objectOrEmpty(body["usage"])) ?? NO_USAGE,
    extra: ownExtra(unread(body, MESSAGE_MEMBERS)),
  };
}

/** The content blocks, with the numbers of calls as they were spelled. */
function readBlocks({ body, bytes }: WireBody): readonly JsonObject[] {
  const blocks = blocksOf(body);
  const plain = blocks.every((block) => !isCall(block) || !holdsNumber(block["input"]));
  return plain ? blocks : blocksOf(parseExact(new TextDecoder().decode(bytes)));
}

function blocksOf(body: unknown): readonly JsonObject[] {
  const content = isObject(body) ? body["content"] : undefined;
  return Array.isArray(content) ? content.filter(isObject) : [];
}

/** A block that does not hold what it should stays as it is. */
function readBlock(block: JsonObject): Part {
  try {
    return decodeBlock(block, { path: "content", barriers: new Set() });
  } catch {
    return { type: "opaque", dialect: "anthropic", value: block, extra: {} };
  }
}

/** The words of a refusal are no content block here; the mark keeps them out of one. */
function refusalPart(body: JsonObject): readonly Part[] {
  const text = refusalText(body);
  return text === "" ? [] : [{ type: "refusal", text, extra: { anthropic: {} } }];
}
