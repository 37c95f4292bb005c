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
import { type Shape, wholly } from "../unread.ts";
import { readChatMessages } from "./decode_turns.ts";
import { type Barriers, CHAT, chatExtra } from "./parts.ts";
import { CHOICE, readChatToolChoice, readChatTools } from "./tools.ts";

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

/** What is read of a body. */
const MAPPED = {
  ...wholly(
    "frequency_penalty",
    "max_tokens",
    "messages",
    "model",
    "parallel_tool_calls",
    "presence_penalty",
    "prompt_cache_key",
    "reasoning_effort",
    "seed",
    "stop",
    "stream",
    "temperature",
    "thinking",
    "tools",
    "top_p",
    "user",
    "verbosity",
  ),
  response_format: formatShape,
  stream_options: { include_usage: true },
  tool_choice: CHOICE,
} as const satisfies Shape;

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
  const request: ChatRequest = {
    caller: CHAT,
    model: textField(body, "model") ?? "",
    instructions: [],
    messages: readChatMessages(body, barriers),
    ...toolFields(body, {
      toolChoice: readChatToolChoice(body, barriers),
      tools: readChatTools(body, barriers),
    }),
    output: readOutput(body, barriers),
    ...readLimits(body, barriers),
    sampling: readSampling(body),
    stream: booleanField(body, "stream") === true,
    includeUsage: objectField(body, "stream_options")?.["include_usage"] === true,
    cacheAuto: false,
    ...readHints(body),
    extra: chatExtra(body, { ...MAPPED, max_completion_tokens: !isCapped(body) }),
  };
  if (demandsBoth(request)) barriers.add("forced-choice-with-reasoning");
  return { request, barriers: [...barriers].sort() };
}

function readLimits(
  body: JsonObject,
  barriers: Barriers,
): Pick<ChatRequest, "maxOutputTokens" | "reasoning" | "stop"> {
  const cap = countField(body, isCapped(body) ? "max_tokens" : "max_completion_tokens");
  const reasoning = readReasoningAsked(body);
  const stop = readStop(body);
  if (stop.length > 0) barriers.add("stop");
  return {
    ...(cap !== null && { maxOutputTokens: cap }),
    ...(reasoning && { reasoning }),
    stop,
  };
}

/** Of two caps the older one wins. */
function isCapped(body: JsonObject): boolean {
  return (body["max_tokens"] ?? null) !== null;
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
  if (effort !== null) {
    const extra = thinking ? { [CHAT]: { thinking } } : {};
    return { mode: "effort", effort: readEffort(effort), extra };
  }
  if (thinking === null) return undefined;
  const budgetTokens = countField(thinking, "budget_tokens", "thinking.budget_tokens");
  const type = thinking["type"] ?? "adaptive";
  const own = (shape: Shape) => chatExtra({ thinking }, { thinking: shape });
  if (type === "disabled") return { mode: "off", extra: own({ type: true }) };
  const extra = own({ type: type === "enabled" || type === "adaptive", budget_tokens: true });
  if (budgetTokens !== null) return { mode: "budget", budgetTokens, extra };
  return { mode: type === "enabled" ? "budget" : "adaptive", extra };
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

function readOutput(body: JsonObject, barriers: Barriers): OutputFormat {
  const format = objectField(body, "response_format");
  switch (format?.["type"] ?? "text") {
    case "text":
      return { type: "text" };
    case "json_object":
      barriers.add("json-object");
      return { type: "json" };
    case "json_schema":
      return readSchema(format?.["json_schema"]);
    default:
      barriers.add("other");
      return { type: "text" };
  }
}

function formatShape(format: Json): boolean | Shape {
  const type = isObject(format) ? format["type"] ?? "text" : null;
  if (type === "text" || type === "json_object") return { type: true };
  if (type !== "json_schema") return false;
  return { type: true, json_schema: wholly("name", "description", "schema", "strict") };
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

function demandsBoth({ reasoning, toolChoice }: ChatRequest): boolean {
  return reasoning !== undefined && !isReasoningOff(reasoning) && isForced(toolChoice);
}
