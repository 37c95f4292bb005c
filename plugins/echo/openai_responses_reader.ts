import { type Json, type JsonObject, objectOrEmpty, textOrEmpty } from "@/core/json.ts";
import { type Allowed, type Ask, makeAsk, objectsOf } from "./ask.ts";
import { textsOf, type Tool, type Turn } from "./ask.ts";

/** Reads a Responses request. */
export function readResponses(body: JsonObject): Ask {
  return makeAsk({
    body,
    turns: [turn("system", textOrEmpty(body["instructions"])), ...readInput(body["input"])],
    cap: body["max_output_tokens"],
    tools: objectsOf(body["tools"]).flatMap((tool) => readTool(tool, null)),
    allowed: readChoice(body["tool_choice"]),
    schema: objectOrEmpty(objectOrEmpty(body["text"])["format"])["schema"],
  });
}

function turn(role: string, text: string): Turn {
  return { role, text, images: 0, result: null };
}

function readInput(input: Json | undefined): readonly Turn[] {
  return typeof input === "string" ? [turn("user", input)] : objectsOf(input).map(readItem);
}

function readItem(item: JsonObject): Turn {
  const parts = objectsOf(item["content"]);
  switch (item["type"] ?? "message") {
    case "message":
      return {
        ...turn(textOrEmpty(item["role"]), textOrEmpty(item["content"]) + textsOf(parts)),
        images: parts.filter((part) => part["type"] === "input_image").length,
      };
    case "function_call_output":
    case "custom_tool_call_output":
      return {
        ...turn("tool", ""),
        result: textOrEmpty(item["output"]) + textsOf(objectsOf(item["output"])),
      };
    case "reasoning":
      return turn("assistant", textsOf(objectsOf(item["summary"])));
    default:
      return turn("assistant", textOrEmpty(item["arguments"]) + textOrEmpty(item["input"]));
  }
}

function readTool(tool: JsonObject, namespace: string | null): readonly Tool[] {
  const { type, parameters } = tool;
  const name = textOrEmpty(tool["name"]);
  if (type === "namespace") return objectsOf(tool["tools"]).flatMap((one) => readTool(one, name));
  if (type !== "function" && type !== "custom") return [];
  return [{ type, name, namespace, schema: parameters ?? { type: "object" } }];
}

function readChoice(choice: Json | undefined): Allowed {
  if (choice === "none") return "none";
  const { type, name, tools } = objectOrEmpty(choice);
  if (type === "allowed_tools") return objectsOf(tools).map((tool) => textOrEmpty(tool["name"]));
  return type === "function" || type === "custom" ? [textOrEmpty(name)] : "all";
}
