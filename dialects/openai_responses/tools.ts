import type { BridgeFeature } from "@/core/bridge_features.ts";
import type { ChatRequest, CustomTool, Tool, ToolChoice, ToolForm } from "@/core/chat.ts";
import { isObject, type Json, type JsonObject } from "@/core/json.ts";
import { MARKERS, readCacheMarker } from "../cache_marker.ts";
import { invalidField, objectField, textField } from "../fields.ts";
import { forbiddenTools, isHostedOpenAiTool, typeOf } from "../hosted_tools.ts";
import { objectParameters } from "../tool_fields.ts";
import {
  isSwitch,
  isText,
  type Reading,
  type Shape,
  unread,
  wholly,
  withUnread,
} from "../unread.ts";
import { opaqueTool, ownFields, RESPONSES, responsesExtra } from "./items.ts";

type NamedTool = Exclude<Tool, { readonly form: "opaque" }>;

const HEAD = { ...wholly("type", "name", "description"), ...MARKERS };

/** What is read of a tool, by its form. */
const READ: Readonly<Record<ToolForm, Shape>> = {
  function: { ...HEAD, parameters: true, strict: isSwitch },
  custom: { ...HEAD, format: formatShape },
};

/**
 * Reads the `tools` of a request; the tools of a namespace follow one another.
 *
 * @throws {GatewayError} `invalid-request` naming the field of wrong type
 */
export function readTools(
  tools: readonly JsonObject[],
  barriers: Set<BridgeFeature>,
): readonly Tool[] {
  return tools.flatMap((tool, index) => {
    const path = `tools[${index}]`;
    if (typeOf(tool) === "namespace") return readNamespace(tool, path) ?? typed(tool, barriers);
    if (isNamed(tool)) return readTool(tool, path);
    return isHostedOpenAiTool(typeOf(tool)) ? opaqueTool(tool) : typed(tool, barriers);
  });
}

function typed(tool: JsonObject, barriers: Set<BridgeFeature>): Tool {
  barriers.add("typed-tools");
  return opaqueTool(tool);
}

function isNamed(tool: Json): tool is JsonObject {
  return typeOf(tool) === "function" || typeOf(tool) === "custom";
}

/** `null` when a tool in it is neither a function nor custom. */
function readNamespace(group: JsonObject, path: string): readonly Tool[] | null {
  const inner = group["tools"];
  if (!Array.isArray(inner) || inner.length === 0 || !inner.every(isNamed)) return null;
  const namespace = nameOf(group, path);
  const rest = unread(group, wholly("type", "name", "tools"));
  const about = Object.keys(rest).length > 0 && { beside: rest };
  return inner.map((tool, index) => {
    const read = readTool(tool, `${path}.tools[${index}]`);
    return { ...read, namespace, extra: { ...read.extra, ...about } };
  });
}

function nameOf(tool: JsonObject, path: string): string {
  const name = textField(tool, "name", `${path}.name`);
  if (name === null) throw invalidField(`${path}.name`, "a string", "missing");
  return name;
}

function readTool(tool: JsonObject, path: string): NamedTool {
  const description = textField(tool, "description", `${path}.description`);
  const cache = readCacheMarker(tool);
  const head = {
    name: nameOf(tool, path),
    ...(description !== null && { description }),
    ...(cache && { cache }),
  };
  if (tool["type"] === "custom") {
    const format = readFormat(objectField(tool, "format", `${path}.format`), path);
    const extra = responsesExtra(tool, READ.custom);
    return { form: "custom", ...head, ...(format && { format }), extra };
  }
  const parameters = objectField(tool, "parameters", `${path}.parameters`);
  const { strict } = tool;
  return {
    form: "function",
    ...head,
    ...(parameters && { parameters }),
    ...((typeof strict === "boolean" || strict === null) && { strict }),
    extra: responsesExtra(tool, READ.function),
  };
}

function readFormat(format: JsonObject | null, path: string): CustomTool["format"] | null {
  if (format === null) return null;
  const { type, syntax, definition } = format;
  if (type === "text") return { type };
  if (type === "grammar" && (syntax === "lark" || syntax === "regex")) {
    if (typeof definition === "string") return { type, syntax, definition };
    throw invalidField(`${path}.format.definition`, "a string");
  }
  throw invalidField(`${path}.format`, "text, or a lark or regex grammar");
}

/**
 * Reads a `tool_choice`. A choice of a tool that has no name of its own names its type.
 *
 * @throws {GatewayError} `invalid-request` when it is none; `provider-hosted-tools-forbidden` for a
 * choice that forces a hosted tool
 */
export function readToolChoice(
  body: JsonObject,
  barriers: Set<BridgeFeature>,
): ToolChoice | undefined {
  const choice = body["tool_choice"];
  if (choice === undefined) return undefined;
  if (choice === null) {
    barriers.add("null-tool-choice");
    return { mode: "null" };
  }
  if (choice === "auto" || choice === "none" || choice === "required") return { mode: choice };
  if (!isObject(choice)) throw invalidField("tool_choice", "auto, none, required or a tool");
  if (choice["type"] === "allowed_tools") return readAllowed(choice, barriers);
  return { mode: "tool", ...chosenTool(choice, barriers), form: formOf(choice) };
}

function readAllowed(choice: JsonObject, barriers: Set<BridgeFeature>): ToolChoice {
  const { mode, tools } = choice;
  if (mode !== "auto" && mode !== "required") {
    throw invalidField("tool_choice.mode", "auto or required");
  }
  if (!Array.isArray(tools)) throw invalidField("tool_choice.tools", "a list");
  const hosted = tools.map(typeOf).filter(isHostedOpenAiTool);
  const force = mode === "required";
  if (force && hosted.length === tools.length) throw forbiddenTools(hosted);
  const offered = tools.filter((tool) => !isHostedOpenAiTool(typeOf(tool)));
  if (hosted.length > 0 && offered.length === 0) return { mode: "none" };
  return {
    mode: "allowed",
    force,
    tools: offered.map((tool) => chosenTool(isObject(tool) ? tool : {}, barriers)),
  };
}

function chosenTool(tool: JsonObject, barriers: Set<BridgeFeature>) {
  const { name, namespace } = tool;
  if (isNamed(tool) && typeof name === "string") {
    return typeof namespace === "string" ? { name, namespace } : { name };
  }
  if (isNamed(tool)) throw invalidField("tool_choice.name", "a string", "missing");
  if (isHostedOpenAiTool(typeOf(tool))) throw forbiddenTools([typeOf(tool)]);
  barriers.add("typed-tools");
  return { name: typeOf(tool) };
}

const formOf = (tool: JsonObject): ToolForm => tool["type"] === "custom" ? "custom" : "function";

/** What is read of a tool choice; nothing of one that must go back as it came. */
export const CHOICE: Reading = (choice) => {
  if (!isObject(choice)) return true;
  const named = { ...wholly("type", "name"), namespace: isText };
  if (choice["type"] !== "allowed_tools") return isNamed(choice) && named;
  const { tools } = choice;
  const all = Array.isArray(tools) && tools.every(isNamed);
  return all && { type: true, mode: true, tools: named };
};

function formatShape(format: Json): Shape {
  const type = isObject(format) ? format["type"] : null;
  return type === "text" ? { type: true } : wholly("type", "syntax", "definition");
}

/** Writes tools; those of one namespace that follow one another are written together. */
export function writeTools(tools: readonly Tool[]): readonly JsonObject[] {
  const written: JsonObject[] = [];
  let inner: JsonObject[] = [];
  let namespace: string | undefined;
  for (const tool of tools) {
    const named = tool.form === "opaque" ? null : tool;
    if (named?.namespace === undefined) {
      written.push(named ? writeTool(named) : opaqueValue(tool));
    } else {
      if (named.namespace !== namespace) written.push(openNamespace(named, inner = []));
      inner.push(writeTool(named));
    }
    namespace = named?.namespace;
  }
  return written;
}

function opaqueValue(tool: Tool): JsonObject {
  return tool.form === "opaque" ? tool.value : {};
}

function openNamespace(tool: NamedTool, tools: readonly JsonObject[]): JsonObject {
  return withUnread({ type: "namespace", name: tool.namespace, tools }, tool.extra.beside);
}

function writeTool(tool: NamedTool): JsonObject {
  const { name, description } = tool;
  const head = { name, ...(description !== undefined && { description }) };
  const own = tool.extra[RESPONSES];
  if (tool.form === "custom") {
    const { format } = tool;
    return withUnread({ type: "custom", ...head, ...(format && { format }) }, own);
  }
  // Without `strict` this wire would rewrite a schema until it can be enforced.
  const parameters = own ? tool.parameters : objectParameters(tool.parameters);
  const strict = tool.strict === undefined && !own ? false : tool.strict;
  const written = {
    type: "function",
    ...head,
    ...(parameters && { parameters }),
    ...(strict !== undefined && { strict }),
  };
  return withUnread(written, own);
}

/** Writes the tool choice of a request; `undefined` when its caller sent none. */
export function writeToolChoice({ toolChoice, tools, extra }: ChatRequest): Json | undefined {
  const own = ownFields(extra)["tool_choice"];
  const rest = isObject(own) ? own : {};
  // A choice of which nothing was read.
  if (rest["type"] !== undefined) return rest;
  if (!toolChoice) return undefined;
  const written = writeChoice(toolChoice, tools);
  return isObject(written) ? withUnread(written, rest) : written;
}

/** `tools` tell the form of those that a choice names. */
function writeChoice(choice: ToolChoice, tools: readonly Tool[]): Json {
  switch (choice.mode) {
    case "null":
      return null;
    case "auto":
    case "none":
    case "required":
      return choice.mode;
    case "tool":
      return writeChosen(choice, choice.form);
    case "allowed": {
      const custom = new Set(tools.flatMap((tool) => tool.form === "custom" ? keyOf(tool) : []));
      return {
        type: "allowed_tools",
        mode: choice.force ? "required" : "auto",
        tools: choice.tools.map((chosen) =>
          writeChosen(chosen, custom.has(keyOf(chosen)) ? "custom" : "function")
        ),
      };
    }
  }
}

type Chosen = { readonly name: string; readonly namespace?: string };

function writeChosen({ name, namespace }: Chosen, form: ToolForm): JsonObject {
  return { type: form, name, ...(namespace !== undefined && { namespace }) };
}

/** A key that no other tool has, whatever its name holds. */
function keyOf({ name, namespace }: Chosen): string {
  return JSON.stringify([namespace ?? null, name]);
}
