import type { Json, JsonObject } from "@/core/json.ts";
import { type Allowed, type Ask, makeAsk, objectOf, objectsOf, textOf } from "./ask.ts";
import { textsOf, type Tool, type Turn } from "./ask.ts";

/** Reads a Chat Completions request. */
export function readChat(body: JsonObject): Ask {
  return makeAsk({
    body,
    turns: objectsOf(body["messages"]).map(readTurn),
    cap: body["max_completion_tokens"] ?? body["max_tokens"],
    tools: objectsOf(body["tools"]).flatMap(readTool),
    allowed: readChoice(body["tool_choice"]),
    schema: readSchema(objectOf(body["response_format"])),
  });
}

function readTurn(message: JsonObject): Turn {
  const role = textOf(message["role"]);
  const parts = objectsOf(message["content"]);
  const calls = objectsOf(message["tool_calls"]).map((call) =>
    textOf(objectOf(call["function"])["arguments"]) + textOf(objectOf(call["custom"])["input"])
  );
  const content = textOf(message["content"]) + textsOf(parts);
  return {
    role,
    text: role === "tool" ? "" : content + calls.join(""),
    images: parts.filter((part) => part["type"] === "image_url").length,
    result: role === "tool" ? content : null,
  };
}

function readTool(tool: JsonObject): readonly Tool[] {
  const type = tool["type"];
  if (type !== "function" && type !== "custom") return [];
  const { name, parameters } = objectOf(tool[type]);
  const schema = parameters ?? { type: "object" };
  return [{ type, name: textOf(name), namespace: null, schema }];
}

function readChoice(choice: Json | undefined): Allowed {
  if (choice === "none") return "none";
  const chosen = objectOf(choice);
  const named = (tool: JsonObject) => textOf(objectOf(tool["function"] ?? tool["custom"])["name"]);
  if (chosen["type"] === "allowed_tools") {
    return objectsOf(objectOf(chosen["allowed_tools"])["tools"]).map(named);
  }
  return chosen["type"] === "function" || chosen["type"] === "custom" ? [named(chosen)] : "all";
}

function readSchema(format: JsonObject): Json | undefined {
  return objectOf(format["json_schema"])["schema"];
}
