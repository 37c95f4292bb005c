import type { JsonObject } from "@/core/json.ts";
import type { Fault } from "./wire_format.ts";

const TYPES: Readonly<Record<number, string>> = {
  400: "invalid_request_error",
  401: "authentication_error",
  402: "billing_error",
  403: "permission_error",
  404: "not_found_error",
  413: "request_too_large",
  429: "rate_limit_error",
  500: "api_error",
  504: "timeout_error",
  529: "overloaded_error",
};

/** The error body of the Messages format. */
export function anthropicError(fault: Fault, requestId: string): JsonObject {
  return { type: "error", error: describe(fault), request_id: requestId };
}

function describe(fault: Fault): JsonObject {
  if (fault.type === "context") {
    const { inputTokens, contextTokens } = fault;
    return {
      type: "invalid_request_error",
      message: `prompt is too long: ${inputTokens} tokens > ${contextTokens} maximum`,
    };
  }
  const otherwise = fault.status >= 500 ? "api_error" : "invalid_request_error";
  return { type: TYPES[fault.status] ?? otherwise, message: fault.message };
}
