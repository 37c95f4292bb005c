import type { ChatResponse, Part, PartOf } from "@/core/chat.ts";
import type { ReplyContext } from "@/core/dialect.ts";
import { type JsonObject, textOrEmpty } from "@/core/json.ts";
import { replyIds } from "../reply_id.ts";
import { ownFields } from "./items.ts";
import { closeResponse, isCut, itemId, openResponse, outputItem, outputPiece } from "./output.ts";

/**
 * Writes a `response` object.
 *
 * @see https://platform.openai.com/docs/api-reference/responses/object
 */
export function encodeResponsesResponse(
  response: ChatResponse,
  { request, callId }: ReplyContext,
): JsonObject {
  const { finish, usage, model, createdAt } = response;
  const ids = replyIds(response.id, callId);
  const head = { id: ids.reply("resp_"), model, createdAt };
  return {
    ...openResponse(head, request),
    ...ownFields(response.extra),
    ...closeResponse({ finish, usage, output: outputOf(response, callId) }),
  };
}

function outputOf({ id, parts, finish }: ChatResponse, callId: string): readonly JsonObject[] {
  const ids = replyIds(id, callId);
  const items: JsonObject[] = [];
  let calls = 0;
  for (const [index, given] of parts.entries()) {
    const part = given.type === "tool_call" ? { ...given, id: ids.call(given.id, calls++) } : given;
    const ownId = textOrEmpty(ownFields(part.extra)["id"]);
    if (isPiece(part) && ownId !== "" && addPiece(items.at(-1), ownId, part)) continue;
    const status = isCut(finish) && index === parts.length - 1 ? "incomplete" : "completed";
    const item = outputItem(part, ownId || itemId(ids, part, items.length), status);
    if (item) items.push(item);
  }
  return items;
}

/** Adds a piece to the message it came with; false when that is another item. */
function addPiece(item: JsonObject | undefined, id: string, part: Piece): boolean {
  const content = item?.["id"] === id ? item["content"] : undefined;
  if (!Array.isArray(content)) return false;
  content.push(outputPiece(part));
  return true;
}

type Piece = PartOf<"text" | "refusal">;

function isPiece(part: Part): part is Piece {
  return part.type === "text" || part.type === "refusal";
}
