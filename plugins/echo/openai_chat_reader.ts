import { type Json, type JsonObject, objectOrEmpty, textOrEmpty } from "@/core/json.ts";
import { type Allowed, type Ask, makeAsk, objectsOf } from "./ask.ts";
import { textsOf, type Tool, type Turn } from "./ask.ts";

/** Reads a Chat Completions request. */
export function readChat(body: JsonObject): Ask {
  return makeAsk({
    body,
    turns: objectsOf(body["messages"]).map(readTurn),
    cap: body["max_completion_tokens"] ?? body["max_tokens"],
    tools: objectsOf(body["tools"]).flatMap(readTool),
    allowed: readChoice(body["tool_choice"]),
    schema: readSchema(objectOrEmpty(body["response_format"])),
  });
}

function readTurn(message: JsonObject): Turn {
  const role = textOrEmpty(message["role"]);
  const parts = objectsOf(message["content"]);
  const calls = objectsOf(message["tool_calls"]).map((call) =>
    textOrEmpty(objectOrEmpty(call["function"])["arguments"]) +
    textOrEmpty(objectOrEmpty(call["custom"])["input"])
  );
  const content = textOrEmpty(message["content"]) + textsOf(parts);
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
  const { name, parameters } = objectOrEmpty(tool[type]);
  const schema = parameters ?? { type: "object" };
  return [{ type, name: textOrEmpty(name), namespace: null, schema }];
}

function readChoice(choice: Json | undefined): Allowed {
  if (choice === "none") return "none";
  const chosen = objectOrEmpty(choice);
  const named = (tool: JsonObject) =>
    textOrEmpty(objectOrEmpty(tool["function"] ?? tool["custom"])["name"]);
  if (chosen["type"] === "allowed_tools") {
    return objectsOf(objectOrEmpty(chosen["allowed_tools"])["tools"]).map(named);
  }
  return chosen["type"] === "function" || chosen["type"] === "custom" ? [named(chosen)] : "all";
}

function readSchema(format: JsonObject): Json | undefined {
  return objectOrEmpty(format["json_schema"])["schema"];
}
