import type { GatewayError } from "@/core/errors.ts";
import type { JsonObject } from "@/core/json.ts";
import { errorDetails } from "../error_body.ts";

/** The error body of the Messages paths; SDKs read `request_id` at the top. */
export function encodeMessagesError(error: GatewayError, requestId: string): JsonObject {
  const { type, message } = error;
  return {
    type: "error",
    error: { type, message, details: errorDetails(error, requestId) },
    request_id: requestId,
  };
}

/** The answer of `POST /v1/messages/count_tokens`. */
export function encodeMessagesTokenCount(tokens: number): JsonObject {
  return { input_tokens: tokens };
}
