import type { BridgeFeature } from "@/core/bridge_features.ts";
import type { ChatRequest, Sampling } from "@/core/chat.ts";
import type { DecodedRequest } from "@/core/dialect.ts";
import type { Json, JsonObject } from "@/core/json.ts";
import type { WireRequest } from "@/core/wire.ts";
import { withExactSchemas } from "../exact_json.ts";
import { booleanField, countField, numberField, objectListField, textField } from "../fields.ts";
import { isReasoningOff } from "../reasoning_amount.ts";
import { isForced } from "../tool_choice.ts";
import { toolFields } from "../tool_fields.ts";
import { type Shape, wholly } from "../unread.ts";
import { readTurns } from "./decode_turns.ts";
import { RESPONSES, responsesExtra } from "./items.ts";
import { readReasoning, readText, TEXT } from "./settings.ts";
import { CHOICE, readToolChoice, readTools } from "./tools.ts";

type Barriers = Set<BridgeFeature>;

/** What is read of a body. */
const MAPPED = {
  ...wholly(
    "input",
    "instructions",
    "max_output_tokens",
    "model",
    "parallel_tool_calls",
    "prompt_cache_key",
    "reasoning",
    "stream",
    "temperature",
    "tools",
    "top_p",
    "user",
  ),
  text: TEXT,
  tool_choice: CHOICE,
} as const satisfies Shape;

/** What `include` holds when probabilities are asked for. */
const LOGPROBS = "message.output_text.logprobs";

const isSet = (value: Json) => value !== null;
const isFilled = (value: Json) => isSet(value) && !(Array.isArray(value) && value.length === 0);

/** Fields that a bridge cannot carry when they say something. */
const BARRIER_FIELDS: readonly (readonly [string, BridgeFeature, (value: Json) => boolean])[] = [
  ["container", "stored-state", isSet],
  ["context_management", "context-management", isFilled],
  ["conversation", "stored-state", isSet],
  ["include", "logprobs", (value) => Array.isArray(value) && value.includes(LOGPROBS)],
  ["inference_geo", "inference-geo", isSet],
  ["moderation", "moderation", isSet],
  ["prediction", "prediction", isSet],
  ["previous_response_id", "previous-response-id", isSet],
  ["prompt", "stored-state", isSet],
  ["thread", "stored-state", isSet],
  ["top_logprobs", "logprobs", (value) => typeof value === "number" && value > 0],
  ["truncation", "truncation", (value) => isSet(value) && value !== "disabled"],
];

/**
 * Reads a Responses body into the neutral form.
 *
 * @throws {GatewayError} `invalid-request` naming what cannot be read;
 * `provider-hosted-tools-forbidden` for a choice that forces a hosted tool
 * @see https://platform.openai.com/docs/api-reference/responses/create
 */
export function decodeResponsesRequest(wire: WireRequest): DecodedRequest {
  const body = withExactSchemas(wire, ["tools", "text"]);
  const barriers: Barriers = new Set(
    BARRIER_FIELDS.filter(([field, , says]) => says(body[field] ?? null)).map(([, name]) => name),
  );
  const { output, verbosity } = readText(body, barriers);
  const instructions = textField(body, "instructions");
  const reasoning = readReasoning(body);
  const cap = countField(body, "max_output_tokens");
  const request: ChatRequest = {
    caller: RESPONSES,
    model: textField(body, "model") ?? "",
    instructions: instructions === null ? [] : [{ type: "text", text: instructions, extra: {} }],
    messages: readTurns(body, barriers),
    ...toolFields(body, {
      toolChoice: readToolChoice(body, barriers),
      tools: readTools(objectListField(body, "tools"), barriers),
    }),
    output,
    ...(reasoning && { reasoning }),
    ...(cap !== null && { maxOutputTokens: cap }),
    stop: [],
    sampling: readSampling(body),
    stream: booleanField(body, "stream") === true,
    includeUsage: true,
    ...readHints(body),
    cacheAuto: false,
    ...(verbosity && { verbosity }),
    extra: responsesExtra(body, MAPPED),
  };
  if (output.type === "json") barriers.add("json-object");
  if (demandsBoth(request)) barriers.add("forced-choice-with-reasoning");
  return { request, barriers: [...barriers].sort() };
}

function readSampling(body: JsonObject): Sampling {
  const temperature = numberField(body, "temperature");
  const topP = numberField(body, "top_p");
  return { ...(temperature !== null && { temperature }), ...(topP !== null && { topP }) };
}

function readHints(body: JsonObject): Pick<ChatRequest, "cacheKey" | "user"> {
  const cacheKey = textField(body, "prompt_cache_key");
  const user = textField(body, "user");
  return { ...(cacheKey !== null && { cacheKey }), ...(user !== null && { user }) };
}

function demandsBoth({ reasoning, toolChoice }: ChatRequest): boolean {
  return reasoning?.effort !== undefined && !isReasoningOff(reasoning) && isForced(toolChoice);
}
