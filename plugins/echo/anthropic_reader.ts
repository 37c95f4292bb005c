import { type Json, type JsonObject, objectOrEmpty, textOrEmpty } from "@/core/json.ts";
import { type Allowed, type Ask, makeAsk, objectsOf } from "./ask.ts";
import { textsOf, type Tool, type Turn } from "./ask.ts";

/** Reads a Messages request. */
export function readMessages(body: JsonObject): Ask {
  const system: Turn = { role: "system", text: joined(body["system"]), images: 0, result: null };
  const format = objectOrEmpty(
    objectOrEmpty(body["output_config"])["format"] ?? body["output_format"],
  );
  return makeAsk({
    body,
    turns: [system, ...objectsOf(body["messages"]).map(readTurn)],
    cap: body["max_tokens"],
    tools: objectsOf(body["tools"]).flatMap(readTool),
    allowed: readChoice(objectOrEmpty(body["tool_choice"])),
    schema: format["schema"],
  });
}

function readTurn(message: JsonObject): Turn {
  const blocks = objectsOf(message["content"]);
  const results = blocks.filter((block) => block["type"] === "tool_result");
  const inputs = blocks.flatMap((block) =>
    block["type"] === "tool_use" ? [JSON.stringify(block["input"] ?? {})] : []
  );
  const thoughts = blocks.map((block) => textOrEmpty(block["thinking"]));
  return {
    role: textOrEmpty(message["role"]),
    text: [...thoughts, joined(message["content"]), ...inputs].join(""),
    images: blocks.filter((block) => block["type"] === "image").length,
    result: results.length > 0 ? joined(results.at(-1)?.["content"]) : null,
  };
}

/** A string, or the text blocks of a list. */
function joined(content: Json | undefined): string {
  return textOrEmpty(content) + textsOf(objectsOf(content));
}

/** Tools the provider runs or types itself have no schema here, so the echo cannot call them. */
function readTool(tool: JsonObject): readonly Tool[] {
  if (tool["type"] !== undefined && tool["type"] !== "custom") return [];
  const schema = tool["input_schema"] ?? { type: "object" };
  return [{ type: "function", name: textOrEmpty(tool["name"]), namespace: null, schema }];
}

function readChoice(choice: JsonObject): Allowed {
  if (choice["type"] === "none") return "none";
  return choice["type"] === "tool" ? [textOrEmpty(choice["name"])] : "all";
}
