import type { ChatRequest } from "@/core/chat.ts";
import type { JsonObject } from "@/core/json.ts";
import { booleanField } from "./fields.ts";

type ToolFields = Pick<ChatRequest, "tools" | "toolChoice" | "parallelToolCalls">;

/** What a request of the OpenAI wires says of tools; tools are read by each of them in its way. */
export function toolFields(
  body: JsonObject,
  { tools, toolChoice }: {
    readonly tools: ToolFields["tools"];
    readonly toolChoice: ToolFields["toolChoice"] | undefined;
  },
): ToolFields {
  const parallelToolCalls = booleanField(body, "parallel_tool_calls");
  return {
    tools,
    ...(toolChoice && { toolChoice }),
    ...(parallelToolCalls !== null && { parallelToolCalls }),
  };
}

/** The parameters of a function for a wire that wants some: none, and a schema of anything, take nothing. */
export function objectParameters(parameters: JsonObject = {}): JsonObject {
  return Object.keys(parameters).length > 0 ? parameters : { type: "object", properties: {} };
}
