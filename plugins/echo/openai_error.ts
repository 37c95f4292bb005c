import type { JsonObject } from "@/core/json.ts";
import type { Fault } from "./wire_format.ts";

interface Words {
  readonly type: string;
  readonly code: string | null;
}

const KNOWN: Readonly<Record<number, Words>> = {
  401: { type: "invalid_request_error", code: "invalid_api_key" },
  402: { type: "insufficient_quota", code: "billing_hard_limit_reached" },
  404: { type: "invalid_request_error", code: "model_not_found" },
  429: { type: "requests", code: "rate_limit_exceeded" },
};

/** The `error` value of the OpenAI formats; `inputField` is what their context error points at. */
export function openaiError(fault: Fault, inputField: "messages" | "input"): JsonObject {
  if (fault.type === "context") {
    return {
      message: `This model's maximum context length is ${fault.contextTokens} tokens. However, ` +
        `your messages resulted in ${fault.inputTokens} tokens. Please reduce the length of the ` +
        "messages.",
      type: "invalid_request_error",
      param: inputField,
      code: "context_length_exceeded",
    };
  }
  return { message: fault.message, ...wordsOf(fault.status), param: null };
}

function wordsOf(status: number): Words {
  const otherwise = status >= 500 ? "server_error" : "invalid_request_error";
  return KNOWN[status] ?? { type: otherwise, code: null };
}
