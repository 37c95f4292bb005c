import type { GatewayError } from "@/core/errors.ts";
import type { JsonObject } from "@/core/json.ts";

/** The error body of the OpenAI paths: `{error: {type, message, code, param, details}}`. */
export function encodeOpenAiError(error: GatewayError, requestId: string): JsonObject {
  return {
    error: {
      type: error.type,
      message: error.message,
      code: openAiErrorCode(error),
      param: null,
      details: errorDetails(error, requestId),
    },
  };
}

/** The details of an error body; `request_id` and `retryable` are always there. */
export function errorDetails(error: GatewayError, requestId: string): JsonObject {
  return { ...error.details, request_id: requestId, retryable: error.retryable };
}

/** The type, but for the one code on which agents compact. */
function openAiErrorCode({ type }: GatewayError): string {
  return type === "context-length-exceeded" ? "context_length_exceeded" : type;
}
