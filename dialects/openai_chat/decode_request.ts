import type { BridgeFeature } from "@/core/bridge_features.ts";
import type { ChatRequest, Effort, OutputFormat, Reasoning, Sampling } from "@/core/chat.ts";
import type { DecodedRequest } from "@/core/dialect.ts";
import { isObject, type Json, type JsonObject } from "@/core/json.ts";
import type { WireRequest } from "@/core/wire.ts";
import { withExactSchemas } from "../exact_json.ts";
import {
  booleanField,
  countField,
  invalidField,
  listField,
  numberField,
  objectField,
  textField,
} from "../fields.ts";
import { isEffort, isReasoningOff } from "../reasoning_amount.ts";
import { isForced } from "../tool_choice.ts";
import { toolFields } from "../tool_fields.ts";
import { readChatMessages } from "./decode_turns.ts";
import { type Barriers, CHAT, chatExtra } from "./parts.ts";
import { readChatToolChoice, readChatTools } from "./tools.ts";

const isSet = (value: Json) => value !== null;
const isFilled = (value: Json) => isObject(value) && Object.keys(value).length > 0;

/** Fields that a bridge cannot carry when they say something. */
const BARRIER_FIELDS: readonly (readonly [string, BridgeFeature, (value: Json) => boolean])[] = [
  ["audio", "audio", isSet],
  ["container", "stored-state", isSet],
  ["conversation", "stored-state", isSet],
  ["frequency_penalty", "penalties", (value) => value !== null && value !== 0],
  ["function_call", "legacy-functions", isSet],
  ["functions", "legacy-functions", isSet],
  ["inference_geo", "inference-geo", isSet],
  ["logit_bias", "logit-bias", isFilled],
  ["logprobs", "logprobs", (value) => value === true],
  ["modalities", "audio", (value) => Array.isArray(value) && value.includes("audio")],
  ["moderation", "moderation", isSet],
  ["n", "multiple-choices", (value) => typeof value === "number" && value > 1],
  ["prediction", "prediction", isSet],
  ["presence_penalty", "penalties", (value) => value !== null && value !== 0],
  ["prompt", "stored-state", isSet],
  ["thread", "stored-state", isSet],
  ["top_logprobs", "logprobs", (value) => typeof value === "number" && value > 0],
  ["truncation", "truncation", (value) => value === "auto"],
];

/** Fields that have a neutral meaning. */
const MAPPED = [
  "frequency_penalty",
  "max_completion_tokens",
  "max_tokens",
  "messages",
  "model",
  "parallel_tool_calls",
  "presence_penalty",
  "prompt_cache_key",
  "reasoning_effort",
  "response_format",
  "seed",
  "stop",
  "stream",
  "stream_options",
  "temperature",
  "thinking",
  "tool_choice",
  "tools",
  "top_p",
  "user",
  "verbosity",
];

/**
 * Reads a Chat Completions body into the neutral form.
 *
 * @throws {GatewayError} `invalid-request` naming what cannot be read;
 * `provider-hosted-tools-forbidden` for a choice that forces a hosted tool
 * @see https://platform.openai.com/docs/api-reference/chat/create
 */
export function decodeChatRequest(wire: WireRequest): DecodedRequest {
  const body = withExactSchemas(wire, ["tools", "functions", "response_format"]);
  const barriers: Barriers = new Set(
    BARRIER_FIELDS.filter(([field, , says]) => says(body[field] ?? null)).map(([, name]) => name),
  );
  const { output, extra } = readOutput(body, barriers);
  const options = readStreamOptions(body);
  const request: ChatRequest = {
    caller: CHAT,
    model: textField(body, "model") ?? "",
    instructions: [],
    messages: readChatMessages(body, barriers),
    ...toolFields(body, {
      toolChoice: readChatToolChoice(body, barriers),
      tools: readChatTools(body, barriers),
    }),
    output,
    ...readLimits(body, barriers),
    sampling: readSampling(body),
    stream: booleanField(body, "stream") === true,
    includeUsage: options.includeUsage,
    cacheAuto: false,
    ...readHints(body),
    extra: merged(chatExtra(body, MAPPED)[CHAT], options.extra, extra),
  };
  if (demandsBoth(request)) barriers.add("forced-choice-with-reasoning");
  return { request, barriers: [...barriers].sort() };
}

function readLimits(
  body: JsonObject,
  barriers: Barriers,
): Pick<ChatRequest, "maxOutputTokens" | "reasoning" | "stop"> {
  const cap = countField(body, "max_tokens") ?? countField(body, "max_completion_tokens");
  const reasoning = readReasoningAsked(body);
  const stop = readStop(body);
  if (stop.length > 0) barriers.add("stop");
  return {
    ...(cap !== null && { maxOutputTokens: cap }),
    ...(reasoning && { reasoning }),
    stop,
  };
}

function readStop(body: JsonObject): readonly string[] {
  const stop = body["stop"] ?? [];
  if (typeof stop === "string") return [stop];
  return (listField({ stop }, "stop") ?? []).map((sequence, index) => {
    if (typeof sequence === "string") return sequence;
    throw invalidField(`stop[${index}]`, "a string");
  });
}

function readReasoningAsked(body: JsonObject): Reasoning | undefined {
  const effort = textField(body, "reasoning_effort");
  const thinking = objectField(body, "thinking");
  const extra = thinking ? { [CHAT]: { thinking } } : {};
  if (effort !== null) return { mode: "effort", effort: readEffort(effort), extra };
  if (thinking === null) return undefined;
  const budgetTokens = countField(thinking, "budget_tokens", "thinking.budget_tokens");
  if (thinking["type"] === "disabled") return { mode: "off", extra };
  if (budgetTokens !== null) return { mode: "budget", budgetTokens, extra };
  return { mode: thinking["type"] === "enabled" ? "budget" : "adaptive", extra };
}

function readEffort(effort: string): Effort {
  if (isEffort(effort)) return effort;
  throw invalidField("reasoning_effort", "an effort from none to max", "unknown-value");
}

function readSampling(body: JsonObject): Sampling {
  const fields = [
    ["temperature", "temperature"],
    ["topP", "top_p"],
    ["seed", "seed"],
    ["frequencyPenalty", "frequency_penalty"],
    ["presencePenalty", "presence_penalty"],
  ] as const;
  return Object.fromEntries(fields.flatMap(([name, field]) => {
    const value = numberField(body, field);
    return value === null ? [] : [[name, value]];
  }));
}

function readHints(body: JsonObject): Pick<ChatRequest, "cacheKey" | "user" | "verbosity"> {
  const cacheKey = textField(body, "prompt_cache_key");
  const user = textField(body, "user");
  const asked = textField(body, "verbosity");
  const verbosity = (["low", "medium", "high"] as const).find((level) => level === asked);
  if (asked !== null && !verbosity) throw invalidField("verbosity", "low, medium or high");
  return {
    ...(cacheKey !== null && { cacheKey }),
    ...(user !== null && { user }),
    ...(verbosity && { verbosity }),
  };
}

function readStreamOptions(body: JsonObject): { includeUsage: boolean; extra: JsonObject } {
  const { include_usage: asked, ...rest } = objectField(body, "stream_options") ?? {};
  const extra = Object.keys(rest).length > 0 ? { stream_options: rest } : {};
  return { includeUsage: asked === true, extra };
}

/** `extra`: a format that only this dialect knows. */
function readOutput(
  body: JsonObject,
  barriers: Barriers,
): { output: OutputFormat; extra?: JsonObject } {
  const format = objectField(body, "response_format");
  switch (format?.["type"] ?? "text") {
    case "text":
      return { output: { type: "text" } };
    case "json_object":
      barriers.add("json-object");
      return { output: { type: "json" } };
    case "json_schema":
      return { output: readSchema(format?.["json_schema"]) };
    default:
      barriers.add("other");
      return { output: { type: "text" }, extra: { response_format: format } };
  }
}

function readSchema(wrapper: Json | undefined): OutputFormat {
  const path = "response_format.json_schema";
  if (!isObject(wrapper)) throw invalidField(path, "an object");
  const schema = objectField(wrapper, "schema", `${path}.schema`);
  if (!schema) throw invalidField(`${path}.schema`, "an object", "missing");
  const description = textField(wrapper, "description", `${path}.description`);
  const strict = booleanField(wrapper, "strict", `${path}.strict`);
  return {
    type: "schema",
    name: textField(wrapper, "name", `${path}.name`) ?? "output",
    ...(description !== null && { description }),
    schema,
    ...("strict" in wrapper && { strict }),
  };
}

function merged(...fields: readonly (JsonObject | undefined)[]): ChatRequest["extra"] {
  const all: JsonObject = Object.assign({}, ...fields);
  return Object.keys(all).length === 0 ? {} : { [CHAT]: all };
}

function demandsBoth({ reasoning, toolChoice }: ChatRequest): boolean {
  return reasoning !== undefined && !isReasoningOff(reasoning) && isForced(toolChoice);
}
