import type { ChatRequest, Tool, ToolChoice } from "@/core/chat.ts";
import { isObject, type Json, type JsonObject } from "@/core/json.ts";
import type { FieldEvent } from "@/core/wire.ts";
import { MARKERS, readCacheMarker } from "../cache_marker.ts";
import { booleanField, invalidField, objectField, objectListField, textField } from "../fields.ts";
import { forbiddenTools, isHostedAnthropicTool, typeOf } from "../hosted_tools.ts";
import { isForced } from "../tool_choice.ts";
import { objectParameters } from "../tool_fields.ts";
import { type Shape, unread, wholly } from "../unread.ts";
import { type Barriers, ownExtra } from "./parts.ts";

/** Reads `tools`; a tool with a type of the provider stays as it is. */
export function decodeTools(body: JsonObject, barriers: Barriers): readonly Tool[] {
  return objectListField(body, "tools").map((tool, index) => {
    const type = typeOf(tool);
    if (type === "" || type === "custom") return decodeFunction(tool, `tools[${index}]`);
    barriers.add(isHostedAnthropicTool(type) ? "hosted-tools" : "typed-tools");
    return { form: "opaque", dialect: "anthropic", value: tool, ...marked(tool), extra: {} };
  });
}

/** What is read of a function tool. */
const READ = { ...wholly("type", "name", "description", "input_schema", "strict"), ...MARKERS };

function decodeFunction(tool: JsonObject, path: string): Tool {
  const name = textField(tool, "name", `${path}.name`);
  if (name === null) throw invalidField(`${path}.name`, "a string", "missing");
  const description = textField(tool, "description", `${path}.description`);
  const parameters = objectField(tool, "input_schema", `${path}.input_schema`);
  const strict = booleanField(tool, "strict", `${path}.strict`);
  return {
    form: "function",
    name,
    ...(description !== null && { description }),
    ...(parameters && { parameters }),
    ...(strict !== null && { strict }),
    ...marked(tool),
    extra: ownExtra(unread(tool, READ)),
  };
}

function marked(tool: JsonObject): Pick<Tool, "cache"> {
  const cache = readCacheMarker(tool);
  return cache ? { cache } : {};
}

/** How the tools of a request are chosen. */
type Choice = Pick<ChatRequest, "toolChoice" | "parallelToolCalls">;

/**
 * Reads `tool_choice`.
 *
 * @throws {GatewayError} `invalid-request` for a type that is not known
 */
export function decodeToolChoice(body: JsonObject, barriers: Barriers): Choice {
  const choice = body["tool_choice"];
  if (choice === undefined) return {};
  if (!isObject(choice)) {
    barriers.add("null-tool-choice");
    return { toolChoice: { mode: "null" } };
  }
  const key = "disable_parallel_tool_use";
  const disabled = booleanField(choice, key, `tool_choice.${key}`);
  return {
    toolChoice: decodeChoice(choice),
    ...(disabled !== null && { parallelToolCalls: !disabled }),
  };
}

/** What is read of a tool choice. */
export function choiceShape(choice: Json): Shape {
  const named = typeOf(choice) === "tool" ? { name: true } : {};
  return { type: true, disable_parallel_tool_use: true, ...named };
}

function decodeChoice(choice: JsonObject): ToolChoice {
  switch (choice["type"]) {
    case "auto":
    case "none":
      return { mode: choice["type"] };
    case "any":
      return { mode: "required" };
    case "tool": {
      const name = textField(choice, "name", "tool_choice.name");
      if (name === null) throw invalidField("tool_choice.name", "a string", "missing");
      return { mode: "tool", name, form: "function" };
    }
    default:
      throw invalidField("tool_choice.type", "auto, none, tool or any", "unknown");
  }
}

/** The tools a request may use; a choice among some of them leaves the others out. */
export function offeredTools({ tools, toolChoice }: ChatRequest): readonly Tool[] {
  if (toolChoice?.mode !== "allowed") return tools;
  const names = new Set(toolChoice.tools.map(({ name }) => name));
  return tools.filter((tool) => tool.form !== "opaque" && names.has(tool.name));
}

/** Writes a tool; `null` for one that only another dialect has. */
export function encodeTool(tool: Tool): JsonObject | null {
  if (tool.form === "opaque") return tool.dialect === "anthropic" ? tool.value : null;
  const { name, description } = tool;
  const [parameters, strict] = tool.form === "function" ? [tool.parameters, tool.strict] : [];
  return {
    name,
    ...(description !== undefined && { description }),
    input_schema: objectParameters(parameters),
    ...(strict !== undefined && strict !== null && { strict }),
  };
}

/**
 * Writes `tool_choice`; `undefined` when the request says nothing about it, or no tool is left.
 *
 * @throws {GatewayError} `provider-hosted-tools-forbidden` when a tool is forced that is not sent
 */
export function encodeToolChoice(
  { tools, toolChoice, parallelToolCalls }: ChatRequest,
): JsonObject | null | undefined {
  if (tools.length > 0 && tools.every((tool) => encodeTool(tool) === null)) {
    if (!isForced(toolChoice)) return undefined;
    throw forbiddenTools(
      tools.map((tool) => tool.form === "opaque" ? typeOf(tool.value) : tool.form),
    );
  }
  if (toolChoice?.mode === "null") return null;
  // The wire refuses how to choose among no tools; only a demand for one is left for it to refuse.
  if (tools.length === 0 && !isForced(toolChoice)) return undefined;
  if (!toolChoice) {
    return parallelToolCalls === false
      ? { type: "auto", disable_parallel_tool_use: true }
      : undefined;
  }
  const choice = encodeChoice(toolChoice);
  if (parallelToolCalls === undefined || choice["type"] === "none") return choice;
  return { ...choice, disable_parallel_tool_use: !parallelToolCalls };
}

function encodeChoice(choice: ToolChoice): JsonObject {
  switch (choice.mode) {
    case "tool":
      return { type: "tool", name: choice.name };
    case "allowed":
      return { type: choice.force ? "any" : "auto" };
    case "required":
      return { type: "any" };
    case "none":
      return { type: "none" };
    default:
      return { type: "auto" };
  }
}

/** The events of tools that a choice among some of them left out, and of a choice without tools. */
export function toolEvents(request: ChatRequest): readonly FieldEvent[] {
  const { tools, toolChoice } = request;
  if (tools.length === 0 && toolChoice && !isForced(toolChoice)) {
    return [{ field: "tool_choice", action: "stripped", reason: "default-value" }];
  }
  const offered = offeredTools(request).length;
  if (offered === request.tools.length) return [];
  return [{ field: "tools", action: "stripped", reason: "tool-choice" }];
}
