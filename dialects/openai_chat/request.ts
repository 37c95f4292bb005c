import { GatewayError } from "@/core/errors.ts";
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
import { hostedTypes, isHostedOpenAiTool, refuseForbiddenTools } from "../hosted_tools.ts";
import { bodyShape } from "../body_shape.ts";
import { namedEffort } from "../reasoning_amount.ts";
import {
  addAudio,
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
import { openAiToolChoice } from "../tool_choice.ts";
import { responsesField } from "./responses_body.ts";

/**
 * Reads the features of a Chat Completions body.
 *
 * @throws {GatewayError} `invalid-request`, `responses-body-on-chat-endpoint-disabled`,
 * `provider-hosted-tools-forbidden`
 * @see https://platform.openai.com/docs/api-reference/chat/create
 */
export function chatFeatures({ body }: WireRequest): WireFeatures {
  refuseResponsesBody(body);
  if (listField(body, "messages") === null) throw invalidField("messages", "a list", "missing");
  const messages = objectListField(body, "messages");
  const tools = objectListField(body, "tools");
  const toolChoice = openAiToolChoice(body["tool_choice"]);
  refuseForbiddenTools(tools, { choice: body["tool_choice"], computer: false });
  const tally = newTally();
  messages.forEach((message, index) => addMessage(tally, message, index));
  const structuredOutput = readFormat(tally, body);
  return {
    ...talliedFeatures(tally),
    ...switches(body),
    ...cap(body),
    messageCount: messages.length,
    toolCount: tools.length + objectListField(body, "functions").length,
    hostedTools: hosted(tools, body),
    toolChoice: legacyToolChoice(toolChoice, body),
    structuredOutput,
    outputModalities: outputModalities(body),
    reasoning: readReasoning(body),
    metadataKeys: metadataKeys(body),
    choices: countField(body, "n") ?? 1,
    shape: bodyShape(body, tally, {
      turns: messages,
      systemText: false,
      responseFormat: (body["response_format"] ?? null) !== null,
    }),
  };
}

function refuseResponsesBody(body: JsonObject): void {
  const field = responsesField(body);
  if (field === null) return;
  throw new GatewayError(
    "responses-body-on-chat-endpoint-disabled",
    `Cannot read ${field} on the Chat path: it belongs to a Responses body`,
    { path: field, reason: "responses-field" },
  );
}

function switches(body: JsonObject) {
  const options = objectField(body, "stream_options");
  const usage = options && booleanField(options, "include_usage", "stream_options.include_usage");
  return {
    stream: booleanField(body, "stream") === true,
    temperatureSet: numberField(body, "temperature") !== null,
    streamOptions: options !== null,
    usageAsked: usage === true,
    previousResponseId: false,
    parallelToolCalls: booleanField(body, "parallel_tool_calls"),
  };
}

/** `max_tokens` wins over `max_completion_tokens`. */
function cap(body: JsonObject): Pick<WireFeatures, "outputCap" | "outputCapField"> {
  const [older, newer] = [
    countField(body, "max_tokens"),
    countField(body, "max_completion_tokens"),
  ];
  if (older !== null) return { outputCap: older, outputCapField: "max_tokens" };
  return { outputCap: newer, outputCapField: newer === null ? null : "max_completion_tokens" };
}

function hosted(tools: readonly JsonObject[], body: JsonObject): readonly string[] {
  const types = hostedTypes(tools, isHostedOpenAiTool);
  const search = (body["web_search_options"] ?? null) !== null;
  return search ? [...types, "web_search_options"].sort() : types;
}

function legacyToolChoice(mode: ToolChoiceMode, body: JsonObject): ToolChoiceMode {
  return mode === "omitted" ? openAiToolChoice(body["function_call"]) : mode;
}

const TEXT = ["text"];

function outputModalities(body: JsonObject): readonly string[] {
  const modalities = listField(body, "modalities");
  if (modalities === null) return TEXT;
  const asked = modalities.filter((item) => typeof item === "string");
  return [...new Set(["text", ...asked.map((kind) => KINDS.has(kind) ? kind : "other")])];
}

/** What a target may declare; any other word is a caller's own, and is in no label and no record. */
const KINDS: ReadonlySet<string> = new Set(["text", "image", "audio", "video", "file"]);

function readFormat(tally: Tally, body: JsonObject): WireFeatures["structuredOutput"] {
  const format = objectField(body, "response_format");
  const type = format?.["type"];
  if (type === "json_object") return type;
  if (type !== "json_schema") return "none";
  const wrapper = format?.["json_schema"];
  if (isObject(wrapper)) addJson(tally, wrapper["schema"]);
  return type;
}

function readReasoning(body: JsonObject): RequestedReasoning {
  const effort = textField(body, "reasoning_effort");
  const thinking = objectField(body, "thinking");
  const budgetTokens = thinking && countField(thinking, "budget_tokens", "thinking.budget_tokens");
  const thinks = thinking !== null && thinking["type"] !== "disabled";
  const source = effort !== null ? "reasoning_effort" : thinking ? "thinking" : null;
  const kind = effort !== null ? "effort" : budgetTokens !== null ? "budget" : "none";
  const requested = (effort !== null && effort !== "none") || thinks;
  return { requested, kind, effort: namedEffort(effort), budgetTokens, source };
}

function addMessage(tally: Tally, message: JsonObject, index: number): void {
  if (message["role"] === "user") tally.turnCount++;
  if (message["role"] === "tool" || message["role"] === "function") tally.toolResults++;
  addText(tally, message["name"]);
  addText(tally, message["reasoning_content"] ?? message["reasoning"]);
  addMessageText(tally, message["refusal"]);
  addContent(tally, message["content"], `messages[${index}].content`);
  const calls = message["tool_calls"];
  if (Array.isArray(calls)) { for (const call of calls) addCall(tally, call); }
  addFunction(tally, message["function_call"]);
}

function addContent(tally: Tally, content: Json | undefined, path: string): void {
  if (content === undefined || content === null) return;
  if (typeof content === "string") return addMessageText(tally, content);
  if (!Array.isArray(content)) throw invalidField(path, "a string or a list");
  for (const part of content) addPart(tally, part);
}

function addPart(tally: Tally, part: Json): void {
  if (!isObject(part)) return addMessageText(tally, part);
  addCacheMark(tally, part);
  const type = part["type"];
  addUrls(tally, part);
  if (type === "text") return addMessageText(tally, part["text"]);
  if (type === "image_url" || "image_url" in part) return addImage(tally);
  if (type === "input_audio") return addAudio(tally, memberOr(part["input_audio"], "data"));
  if (type === "file") return addFile(tally, memberOr(part["file"], "file_data"));
  if ("audio_url" in part) return addAudio(tally, memberOr(part["audio_url"], "url"));
  if (type === "input_video" || "video_url" in part) tally.videoCount++;
  else addMessageText(tally, part["text"] ?? part["refusal"]);
}

function addCall(tally: Tally, call: Json): void {
  if (!isObject(call)) return;
  addFunction(tally, call["function"]);
  addFunction(tally, call["custom"]);
}

function addFunction(tally: Tally, called: Json | undefined): void {
  if (!isObject(called)) return;
  addText(tally, called["name"]);
  addText(tally, called["arguments"] ?? called["input"]);
}

/** A member of an object; a bare value stands for itself. */
function memberOr(value: Json | undefined, key: string): Json | undefined {
  return isObject(value) ? value[key] : value;
}
