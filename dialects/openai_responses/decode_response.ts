import type { ChatResponse } from "@/core/chat.ts";
import { isObject, type JsonObject, textOrEmpty } from "@/core/json.ts";
import { NO_USAGE } from "@/core/usage.ts";
import type { WireBody } from "@/core/wire.ts";
import { omit, readModelItem, RESPONSES } from "./items.ts";
import { readFinish, responseUsage } from "./reply.ts";

/** Members of a response that have a neutral meaning, or follow from those that have. */
const MAPPED = [
  "id",
  "object",
  "created_at",
  "status",
  "error",
  "incomplete_details",
  "model",
  "output",
  "output_text",
  "usage",
];

/**
 * Reads a `response` object.
 *
 * @see https://platform.openai.com/docs/api-reference/responses/object
 */
export function decodeResponsesResponse({ body }: WireBody): ChatResponse {
  const output = Array.isArray(body["output"]) ? body["output"].filter(isObject) : [];
  const parts = output.flatMap(readModelItem);
  const createdAt = body["created_at"];
  return {
    id: textOrEmpty(body["id"]),
    model: textOrEmpty(body["model"]),
    createdAt: typeof createdAt === "number" ? Math.trunc(createdAt) : 0,
    parts,
    finish: readFinish(body, {
      content: parts.length > 0,
      call: parts.some(({ type }) => type === "tool_call"),
      refusal: parts.some(({ type }) => type === "refusal"),
    }),
    usage: responseUsage(body["usage"]) ?? NO_USAGE,
    extra: { [RESPONSES]: readResponseExtra(body) },
  };
}

/** What a response says beyond its neutral meaning. */
export function readResponseExtra(response: JsonObject): JsonObject {
  return omit(response, MAPPED);
}
