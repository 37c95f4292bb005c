import type { DialectName } from "@/core/dialect_name.ts";

/** A schema with one smallest value. */
export const SCHEMA = {
  type: "object",
  properties: {
    city: { type: "string", minLength: 2 },
    unit: { enum: ["celsius", "f"] },
    days: { type: "integer", minimum: 3 },
    note: { type: "string" },
  },
  required: ["city", "unit", "days"],
  additionalProperties: false,
};
/** That value. */
export const SMALLEST = { city: "aa", unit: "f", days: 3 };

/** Two tools of the schema, and a choice that forces one. */
export function withTools(dialect: DialectName, forced?: string): Record<string, unknown> {
  const tools = ["first", "second"].map((name) => ({ name, description: "x" }));
  switch (dialect) {
    case "openai-chat":
      return {
        tools: tools.map((tool) => ({
          type: "function",
          function: { ...tool, parameters: SCHEMA },
        })),
        ...(forced ? { tool_choice: { type: "function", function: { name: forced } } } : {}),
      };
    case "openai-responses":
      return {
        tools: tools.map((tool) => ({ type: "function", ...tool, parameters: SCHEMA })),
        ...(forced ? { tool_choice: { type: "function", name: forced } } : {}),
      };
    case "anthropic":
      return {
        tools: tools.map((tool) => ({ ...tool, input_schema: SCHEMA })),
        ...(forced ? { tool_choice: { type: "tool", name: forced } } : {}),
      };
  }
}

/** A conversation that ends with a tool result. */
export function withResult(dialect: DialectName): Record<string, unknown> {
  switch (dialect) {
    case "openai-chat": {
      const call = { id: "c1", type: "function", function: { name: "first", arguments: "{}" } };
      return {
        messages: [
          { role: "user", content: "how warm" },
          { role: "assistant", content: null, tool_calls: [call] },
          { role: "tool", tool_call_id: "c1", content: "it is warm" },
        ],
      };
    }
    case "openai-responses":
      return {
        input: [
          { role: "user", content: [{ type: "input_text", text: "how warm" }] },
          { type: "function_call", call_id: "c1", name: "first", arguments: "{}" },
          { type: "function_call_output", call_id: "c1", output: "it is warm" },
        ],
      };
    case "anthropic":
      return {
        messages: [
          { role: "user", content: "how warm" },
          {
            role: "assistant",
            content: [{ type: "tool_use", id: "c1", name: "first", input: {} }],
          },
          {
            role: "user",
            content: [{ type: "tool_result", tool_use_id: "c1", content: "it is warm" }],
          },
        ],
      };
  }
}

/** A user turn with two images. */
export function withImages(dialect: DialectName): Record<string, unknown> {
  const url = "data:image/png;base64,AAAA";
  const source = { type: "base64", media_type: "image/png", data: "AAAA" };
  const text = "see these";
  switch (dialect) {
    case "openai-chat": {
      const image = { type: "image_url", image_url: { url } };
      return { messages: [{ role: "user", content: [{ type: "text", text }, image, image] }] };
    }
    case "openai-responses": {
      const image = { type: "input_image", image_url: url };
      return { input: [{ role: "user", content: [{ type: "input_text", text }, image, image] }] };
    }
    case "anthropic": {
      const image = { type: "image", source };
      return { messages: [{ role: "user", content: [{ type: "text", text }, image, image] }] };
    }
  }
}

/** A demand for structured output. */
export function withSchema(dialect: DialectName): Record<string, unknown> {
  switch (dialect) {
    case "openai-chat":
      return {
        response_format: { type: "json_schema", json_schema: { name: "x", schema: SCHEMA } },
      };
    case "openai-responses":
      return { text: { format: { type: "json_schema", name: "x", schema: SCHEMA } } };
    case "anthropic":
      return { output_config: { format: { type: "json_schema", schema: SCHEMA } } };
  }
}
