import type { RequestedReasoning, ToolChoiceMode, WireFeatures } from "@/core/features.ts";
import { isObject, type Json, type JsonObject } from "@/core/json.ts";
import type { WireRequest } from "@/core/wire.ts";
import {
  booleanField,
  countField,
  invalidField,
  listField,
  metadataKeys,
  numberField,
  objectField,
  objectListField,
  textField,
} from "../fields.ts";
import {
  forbiddenTools,
  hostedTypes,
  isHostedAnthropicTool,
  refuseForbiddenTools,
} from "../hosted_tools.ts";
import { bodyShape } from "../body_shape.ts";
import { namedEffort } from "../reasoning_amount.ts";
import {
  addCacheMark,
  addFile,
  addImage,
  addJson,
  addMessageText,
  addText,
  addUrls,
  newTally,
  talliedFeatures,
  type Tally,
} from "../tally.ts";

/**
 * Reads the features of a Messages body.
 *
 * @throws {GatewayError} `invalid-request`, `provider-hosted-tools-forbidden`
 * @see https://docs.anthropic.com/en/api/messages
 */
export function messagesFeatures({ body }: WireRequest): WireFeatures {
  if (listField(body, "messages") === null) throw invalidField("messages", "a list", "missing");
  const messages = objectListField(body, "messages");
  const tools = objectListField(body, "tools");
  const choice = objectField(body, "tool_choice");
  refuseForbiddenTools(tools, { choice, computer: false });
  if ((listField(body, "mcp_servers") ?? []).length > 0) throw forbiddenTools(["mcp_servers"]);
  const tally = newTally();
  addContent(tally, body["system"], "system");
  messages.forEach((message, index) => addMessage(tally, message, index));
  for (const tool of tools) addCacheMark(tally, tool);
  const structuredOutput = readFormat(tally, body);
  const outputCap = countField(body, "max_tokens");
  return {
    ...talliedFeatures(tally),
    stream: booleanField(body, "stream") === true,
    temperatureSet: numberField(body, "temperature") !== null,
    streamOptions: false,
    usageAsked: true,
    previousResponseId: false,
    parallelToolCalls: parallelToolCalls(choice),
    messageCount: messages.length,
    toolCount: tools.length,
    hostedTools: hostedTypes(tools, isHostedAnthropicTool),
    toolChoice: choiceMode(body["tool_choice"]),
    structuredOutput,
    outputModalities: ["text"],
    outputCap,
    outputCapField: outputCap === null ? null : "max_tokens",
    reasoning: readReasoning(body),
    metadataKeys: metadataKeys(body),
    choices: 1,
    shape: bodyShape(body, tally, {
      turns: messages,
      systemText: (body["system"] ?? null) !== null,
      responseFormat: formatOf(body) !== null,
    }),
  };
}

function choiceMode(choice: Json | undefined): ToolChoiceMode {
  if (choice === undefined) return "omitted";
  if (!isObject(choice)) return "null";
  const type = choice["type"];
  if (type === "tool") return "named";
  if (type === "any") return "required";
  return type === "none" ? "none" : "auto";
}

function parallelToolCalls(choice: JsonObject | null): boolean | null {
  const path = "tool_choice.disable_parallel_tool_use";
  const disabled = choice && booleanField(choice, "disable_parallel_tool_use", path);
  return disabled === null ? null : !disabled;
}

function formatOf(body: JsonObject): JsonObject | null {
  const config = objectField(body, "output_config");
  return (config && objectField(config, "format", "output_config.format")) ??
    objectField(body, "output_format");
}

function readFormat(tally: Tally, body: JsonObject): WireFeatures["structuredOutput"] {
  const format = formatOf(body);
  if (format?.["type"] !== "json_schema") return "none";
  addJson(tally, format["schema"]);
  return "json_schema";
}

/** `disabled` asks for nothing, whatever the effort. */
function readReasoning(body: JsonObject): RequestedReasoning {
  const thinking = objectField(body, "thinking");
  const config = objectField(body, "output_config");
  const effort = config && textField(config, "effort", "output_config.effort");
  const budgetTokens = thinking && budget(thinking);
  const type = thinking?.["type"] ?? null;
  const asks = type !== null || (effort !== null && effort !== "none");
  const kind = budgetTokens !== null ? "budget" : effort !== null ? "effort" : "none";
  const source = thinking ? "thinking" : effort !== null ? "output_config.effort" : null;
  const requested = asks && type !== "disabled";
  return { requested, kind, effort: namedEffort(effort), budgetTokens, source };
}

/** A budget may be any number: one that is too small is repaired, not refused. */
function budget(thinking: JsonObject): number | null {
  const tokens = numberField(thinking, "budget_tokens", "thinking.budget_tokens");
  return thinking["type"] === "enabled" ? tokens : null;
}

function addMessage(tally: Tally, message: JsonObject, index: number): void {
  if (message["role"] === "user") tally.turnCount++;
  addContent(tally, message["content"], `messages[${index}].content`);
}

function addContent(tally: Tally, content: Json | undefined, path: string): void {
  if (content === undefined || content === null) return;
  if (typeof content === "string") return addMessageText(tally, content);
  if (!Array.isArray(content)) throw invalidField(path, "a string or a list");
  for (const block of content) if (isObject(block)) addBlock(tally, block, path);
}

function addBlock(tally: Tally, block: JsonObject, path: string): void {
  addCacheMark(tally, block);
  addUrls(tally, block);
  switch (block["type"]) {
    case "image":
      return addImage(tally);
    case "document":
      return addDocument(tally, block, path);
    case "thinking":
      return addText(tally, block["thinking"]);
    case "tool_use":
    case "server_tool_use":
      addText(tally, block["name"]);
      return addJson(tally, block["input"]);
    case "tool_result":
      tally.toolResults++;
      return addContent(tally, block["content"], `${path}[].content`);
    default:
      addMessageText(tally, block["text"]);
      if (Array.isArray(block["content"])) addContent(tally, block["content"], path);
  }
}

/** A document is a file, or text, or blocks of its own. */
function addDocument(tally: Tally, block: JsonObject, path: string): void {
  const type = sourceField(block, "type");
  if (type === "text") addMessageText(tally, sourceField(block, "data"));
  else if (type === "content") addContent(tally, sourceField(block, "content"), path);
  else addFile(tally, sourceField(block, "data"));
}

function sourceField(block: JsonObject, key: string): Json | undefined {
  return isObject(block["source"]) ? block["source"][key] : undefined;
}
