import type { JsonObject } from "@/core/json.ts";

export { encodeOpenAiError as encodeChatError } from "../error_body.ts";

/** The answer of a token count. The Chat dialect has no counting path of its own. */
export function encodeChatTokenCount(tokens: number): JsonObject {
  return { input_tokens: tokens };
}
