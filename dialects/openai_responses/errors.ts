import type { GatewayError } from "@/core/errors.ts";
import type { JsonObject } from "@/core/json.ts";

export { encodeOpenAiError as encodeResponsesError } from "../error_body.ts";

/** The answer of `POST /v1/responses/input_tokens`. */
export function encodeInputTokens(tokens: number): JsonObject {
  return { object: "response.input_tokens", input_tokens: tokens };
}

/** The code of a `response.failed` event; the provider's own list has one for each of these. */
export function responseErrorCode({ type }: GatewayError): string {
  if (type === "context-length-exceeded") return "context_length_exceeded";
  if (type === "upstream-rate-limited") return "rate_limit_exceeded";
  return type === "upstream-quota-exhausted" ? "insufficient_quota" : "server_error";
}
