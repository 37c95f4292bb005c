import type { CustomTool, FunctionTool, Tool, ToolChoice, ToolForm } from "@/core/chat.ts";
import { isObject, type Json, type JsonObject } from "@/core/json.ts";
import { MARKERS } from "../cache_marker.ts";
import { booleanField, invalidField, objectField, objectListField, textField } from "../fields.ts";
import { forbiddenTools, isHostedOpenAiTool, typeOf } from "../hosted_tools.ts";
import { type Reading, type Shape, wholly } from "../unread.ts";
import { type Barriers, CHAT, chatExtra, markerOf } from "./parts.ts";

/**
 * Reads `tools`. A hosted or unknown tool stays what it is.
 *
 * @throws {GatewayError} `invalid-request` naming what cannot be read
 */
export function readChatTools(body: JsonObject, barriers: Barriers): readonly Tool[] {
  return objectListField(body, "tools").map((tool, index) => {
    const type = typeOf(tool) || "function";
    const path = `tools[${index}].${type}`;
    const inner = tool[type];
    if ((type === "function" || type === "custom") && !isObject(inner)) {
      throw invalidField(path, "an object");
    }
    if (type === "function" && isObject(inner)) {
      return { ...readFunction(inner, path), ...beside(tool, type, inner) };
    }
    if (type === "custom" && isObject(inner)) {
      return { ...readCustom(inner, path), ...beside(tool, type, inner) };
    }
    if (!isHostedOpenAiTool(type)) barriers.add("typed-tools");
    return { form: "opaque", dialect: CHAT, value: tool, extra: {} };
  });
}

/** What is read of tools, in the members of their forms. */
const READ: Readonly<Record<ToolForm, Shape>> = {
  function: { ...wholly("name", "description", "parameters", "strict"), ...MARKERS },
  custom: { ...wholly("name", "description"), format: formatShape, ...MARKERS },
};

/** The marker of a tool, which some clients put inside, and what no other dialect understands. */
function beside(tool: JsonObject, key: ToolForm, inner: JsonObject): Pick<Tool, "cache" | "extra"> {
  const extra = chatExtra(tool, { type: true, [key]: READ[key], ...MARKERS });
  return { ...markerOf(inner), ...markerOf(tool), extra };
}

function readFunction(inner: JsonObject, path: string): FunctionTool {
  const description = textField(inner, "description", `${path}.description`);
  const parameters = objectField(inner, "parameters", `${path}.parameters`);
  const strict = booleanField(inner, "strict", `${path}.strict`);
  return {
    form: "function",
    name: nameOf(inner, path),
    ...(description !== null && { description }),
    ...(parameters !== null && { parameters }),
    ...("strict" in inner && { strict }),
  };
}

function readCustom(inner: JsonObject, path: string): CustomTool {
  const description = textField(inner, "description", `${path}.description`);
  const format = readFormat(objectField(inner, "format", `${path}.format`), `${path}.format`);
  return {
    form: "custom",
    name: nameOf(inner, path),
    ...(description !== null && { description }),
    ...(format && { format }),
  };
}

/** A grammar stands in a wrapper of its own, or beside `type` as in the Responses dialect. */
function readFormat(format: JsonObject | null, path: string): CustomTool["format"] {
  if (format?.["type"] === "text") return { type: "text" };
  if (format?.["type"] !== "grammar") return undefined;
  const { syntax, definition } = isObject(format["grammar"]) ? format["grammar"] : format;
  if (syntax !== "lark" && syntax !== "regex") {
    throw invalidField(`${path}.grammar.syntax`, "lark or regex");
  }
  if (typeof definition !== "string") {
    throw invalidField(`${path}.grammar.definition`, "a string");
  }
  return { type: "grammar", syntax, definition };
}

function formatShape(format: Json): boolean | Shape {
  if (!isObject(format)) return false;
  if (format["type"] === "text") return { type: true };
  if (format["type"] !== "grammar") return false;
  const grammar = wholly("syntax", "definition");
  return { type: true, ...(isObject(format["grammar"]) ? { grammar } : grammar) };
}

/** Writes a tool. Namespaces are part of the name here. */
export function chatTool(tool: Exclude<Tool, { form: "opaque" }>): JsonObject {
  const { name, description } = tool;
  const named = { name, ...(description !== undefined && { description }) };
  if (tool.form === "custom") {
    return { type: "custom", custom: { ...named, ...(tool.format && chatFormat(tool.format)) } };
  }
  const { parameters, strict } = tool;
  return {
    type: "function",
    function: {
      ...named,
      ...(parameters && { parameters }),
      ...(strict !== undefined && { strict }),
    },
  };
}

function chatFormat(format: NonNullable<CustomTool["format"]>): JsonObject {
  if (format.type === "text") return { format };
  const { type, syntax, definition } = format;
  return { format: { type, grammar: { syntax, definition } } };
}

/**
 * Reads `tool_choice`; `undefined` when the caller sent none.
 *
 * @throws {GatewayError} `invalid-request`; `provider-hosted-tools-forbidden` for a hosted tool
 */
export function readChatToolChoice(body: JsonObject, barriers: Barriers): ToolChoice | undefined {
  const choice = body["tool_choice"];
  if (choice === undefined) return undefined;
  if (choice === null) {
    barriers.add("null-tool-choice");
    return { mode: "null" };
  }
  if (choice === "auto" || choice === "none" || choice === "required") return { mode: choice };
  const type = typeOf(choice);
  if (isHostedOpenAiTool(type)) throw forbiddenTools([type]);
  if (type === "allowed_tools") return readAllowed(choice);
  if (type !== "function" && type !== "custom") throw invalidField("tool_choice", "a tool choice");
  return { mode: "tool", name: chosenName(choice, type), form: type };
}

function readAllowed(choice: Json): ToolChoice {
  const path = "tool_choice.allowed_tools";
  const wrapper = isObject(choice) ? choice["allowed_tools"] ?? choice : choice;
  if (!isObject(wrapper)) throw invalidField(path, "an object");
  const { mode, tools } = wrapper;
  if (mode !== "auto" && mode !== "required") {
    throw invalidField(`${path}.mode`, "auto or required");
  }
  if (!Array.isArray(tools)) throw invalidField(`${path}.tools`, "a list");
  return {
    mode: "allowed",
    force: mode === "required",
    tools: tools.map((tool) => ({ name: chosenName(tool, typeOf(tool) || "function") })),
  };
}

/** What is read of a tool choice. */
export const CHOICE: Reading = (choice) => {
  if (!isObject(choice)) return true;
  if (choice["type"] !== "allowed_tools") return chosenShape(choice);
  const allowed = { mode: true, tools: chosenShape };
  return { type: true, ...("allowed_tools" in choice ? { allowed_tools: allowed } : allowed) };
};

function chosenShape(choice: Json): Shape {
  const type = typeOf(choice) || "function";
  const inner = isObject(choice) && isObject(choice[type]) ? { [type]: { name: true } } : null;
  return { type: true, ...inner ?? { name: true } };
}

function chosenName(choice: Json, type: string): string {
  const value = isObject(choice) ? choice : {};
  const inner = value[type];
  return nameOf(isObject(inner) ? inner : value, `tool_choice.${type}`);
}

/** Writes a tool choice; a subset names each tool in the form in which it is offered. */
export function chatToolChoice(choice: ToolChoice, tools: readonly Tool[]): Json {
  if (choice.mode === "null") return null;
  if (choice.mode === "tool") return namedTool(choice.name, choice.form);
  if (choice.mode !== "allowed") return choice.mode;
  const custom = new Set(tools.flatMap((tool) => tool.form === "custom" ? tool.name : []));
  return {
    type: "allowed_tools",
    allowed_tools: {
      mode: choice.force ? "required" : "auto",
      tools: choice.tools.map(({ name }) =>
        namedTool(name, custom.has(name) ? "custom" : "function")
      ),
    },
  };
}

function namedTool(name: string, form: ToolForm): JsonObject {
  return { type: form, [form]: { name } };
}

function nameOf(inner: JsonObject, path: string): string {
  const { name } = inner;
  if (typeof name !== "string" || name === "") throw invalidField(`${path}.name`, "a string");
  return name;
}
