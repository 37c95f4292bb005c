import { GatewayError } from "@/core/errors.ts";
import type { RequestedReasoning, WireFeatures } from "@/core/features.ts";
import { isObject, type Json, type JsonObject } from "@/core/json.ts";
import type { WireRequest } from "@/core/wire.ts";
import {
  booleanField,
  countField,
  invalidField,
  metadataKeys,
  numberField,
  objectField,
  objectListField,
  textField,
} from "../fields.ts";
import { hostedTypes, isHostedOpenAiTool, refuseForbiddenTools } from "../hosted_tools.ts";
import { bodyShape } from "../body_shape.ts";
import { namedEffort } from "../reasoning_amount.ts";
import {
  addAudio,
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
import { openAiToolChoice } from "../tool_choice.ts";

/** Fields that can stand in for `input`: the provider has the conversation. */
const STORED_INPUT = ["previous_response_id", "prompt", "conversation"] as const;

/**
 * Reads the features of a Responses body.
 *
 * @throws {GatewayError} `invalid-request`, `responses-background-unsupported`,
 * `provider-hosted-tools-forbidden`
 * @see https://platform.openai.com/docs/api-reference/responses/create
 */
export function responsesFeatures({ body }: WireRequest): WireFeatures {
  refuseBackground(body);
  const items = readInput(body);
  const tools = objectListField(body, "tools");
  const toolChoice = openAiToolChoice(body["tool_choice"]);
  refuseForbiddenTools(tools, { choice: body["tool_choice"], computer: true });
  const tally = newTally();
  addMessageText(tally, textField(body, "instructions"));
  if (typeof items === "string") addInputText(tally, items);
  else for (const item of items) addItem(tally, item);
  const structuredOutput = readFormat(tally, body);
  const outputCap = countField(body, "max_output_tokens");
  return {
    ...talliedFeatures(tally),
    ...switches(body),
    messageCount: typeof items === "string" ? 1 : items.length,
    toolCount: tools.length,
    hostedTools: hostedTypes(tools, isHostedOpenAiTool),
    toolChoice,
    structuredOutput,
    outputModalities: ["text"],
    outputCap,
    outputCapField: outputCap === null ? null : "max_output_tokens",
    reasoning: readReasoning(body),
    metadataKeys: metadataKeys(body),
    choices: 1,
    shape: inputShape(body, tally, items),
  };
}

function inputShape(body: JsonObject, tally: Tally, input: string | readonly JsonObject[]) {
  const items = typeof input === "string" ? [] : input;
  return bodyShape(body, tally, {
    turns: items,
    inputItems: items.length,
    systemText: (body["instructions"] ?? null) !== null,
    functionCallOutputs: items.filter(({ type }) => type === "function_call_output").length,
    responseFormat: (objectField(body, "text")?.["format"] ?? null) !== null,
  });
}

function refuseBackground(body: JsonObject): void {
  if (booleanField(body, "background") !== true) return;
  throw new GatewayError(
    "responses-background-unsupported",
    "Cannot run a response in the background: send it without background",
  );
}

function readInput(body: JsonObject): string | readonly JsonObject[] {
  const input = body["input"] ?? null;
  if (typeof input === "string") return input;
  if (Array.isArray(input)) return objectListField(body, "input");
  if (input !== null) throw invalidField("input", "a string or a list");
  if (STORED_INPUT.some((key) => (body[key] ?? null) !== null)) return [];
  throw invalidField("input", "a string or a list", "missing");
}

function switches(body: JsonObject) {
  return {
    stream: booleanField(body, "stream") === true,
    temperatureSet: numberField(body, "temperature") !== null,
    streamOptions: objectField(body, "stream_options") !== null,
    usageAsked: true,
    previousResponseId: textField(body, "previous_response_id") !== null,
    parallelToolCalls: booleanField(body, "parallel_tool_calls"),
  };
}

function readFormat(tally: Tally, body: JsonObject): WireFeatures["structuredOutput"] {
  const text = objectField(body, "text");
  const format = text && objectField(text, "format", "text.format");
  const type = format?.["type"];
  if (type === "json_schema") addJson(tally, format?.["schema"]);
  return type === "json_schema" || type === "json_object" ? type : "none";
}

function readReasoning(body: JsonObject): RequestedReasoning {
  const reasoning = objectField(body, "reasoning");
  const effort = reasoning && textField(reasoning, "effort", "reasoning.effort");
  const asked = effort !== null;
  return {
    requested: asked && effort !== "none",
    kind: asked ? "effort" : "none",
    effort: namedEffort(effort),
    budgetTokens: null,
    source: asked ? "reasoning.effort" : null,
  };
}

function addInputText(tally: Tally, text: string): void {
  tally.turnCount++;
  addMessageText(tally, text);
}

/** An item is a message (`type` may be absent), a call, the result of one, or reasoning. */
function addItem(tally: Tally, item: JsonObject): void {
  if (item["role"] === "user") tally.turnCount++;
  addUrls(tally, item);
  addContent(tally, item["content"]);
  addContent(tally, item["summary"]);
  addText(tally, item["name"]);
  addText(tally, item["arguments"] ?? item["input"]);
  const type = item["type"];
  if (typeof type !== "string" || !type.endsWith("_output")) return;
  tally.toolResults++;
  addContent(tally, item["output"]);
}

/** Content is a text, a list of parts or, for a computer call, one part. */
function addContent(tally: Tally, content: Json | undefined): void {
  if (typeof content === "string") addMessageText(tally, content);
  else if (isObject(content)) addPart(tally, content);
  else if (Array.isArray(content)) { for (const part of content) addPart(tally, part); }
}

function addPart(tally: Tally, part: Json): void {
  if (!isObject(part)) return addMessageText(tally, part);
  addUrls(tally, part);
  switch (part["type"]) {
    case "input_image":
    case "computer_screenshot":
      return addImage(tally);
    case "input_audio":
      return addAudio(tally, isObject(part["input_audio"]) ? part["input_audio"]["data"] : null);
    case "input_file":
      return addFile(tally, part["file_data"]);
    case "input_video":
      tally.videoCount++;
      return;
    default:
      return addMessageText(tally, part["text"] ?? part["refusal"]);
  }
}
