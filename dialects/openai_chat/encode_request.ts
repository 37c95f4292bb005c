import type { ChatRequest, OutputFormat, Reasoning, Tool } from "@/core/chat.ts";
import type { EncodedRequest } from "@/core/dialect.ts";
import { isObject, type Json, type JsonObject } from "@/core/json.ts";
import type { Target } from "@/core/snapshot.ts";
import type { FieldEvent } from "@/core/wire.ts";
import { droppedHints } from "../hints.ts";
import { forbiddenTools, isHostedOpenAiTool, typeOf } from "../hosted_tools.ts";
import { askedEffort } from "../reasoning_amount.ts";
import { schemaFormat } from "../strict_schema.ts";
import { isForced } from "../tool_choice.ts";
import { chatMessages, marker, type TurnWriting, turnWriting } from "./encode_turns.ts";
import { withUnread } from "../unread.ts";
import { CHAT } from "./parts.ts";
import { chatTool, chatToolChoice } from "./tools.ts";

/**
 * Writes a Chat Completions body.
 *
 * @throws {GatewayError} `provider-hosted-tools-forbidden` when only hosted tools could serve a
 * forced tool choice
 * @see https://platform.openai.com/docs/api-reference/chat/create
 */
export function encodeChatRequest(request: ChatRequest, target: Target): EncodedRequest {
  const events: FieldEvent[] = [];
  const note = (event: FieldEvent) => {
    const isNew = events.every(({ field, action }) =>
      field !== event.field || action !== event.action
    );
    if (isNew) events.push(event);
  };
  const writing = turnWriting(request, target, note);
  const body = {
    model: request.model,
    messages: chatMessages(request, writing),
    ...toolFields(request, target, writing),
    ...(request.output.type !== "text" && { response_format: chatFormat(request.output) }),
    ...reasoningFields(request, target, note),
    ...samplingFields(request, target, note),
    ...streamFields(request, target),
  };
  if (request.cacheAuto) {
    note({ field: "cache_control", action: "stripped", reason: "no-counterpart" });
  }
  droppedHints(request, CHAT).forEach(note);
  return { body: withOwn(body, request, target), events };
}

const UNUSED_CHOICE: FieldEvent = {
  field: "tool_choice",
  action: "stripped",
  reason: "default-value",
};

function toolFields(request: ChatRequest, target: Target, writing: TurnWriting): JsonObject {
  const { toolChoice, parallelToolCalls } = request;
  const tools = request.tools.flatMap((tool) => writeTool(tool, target, writing));
  const removed = tools.length === 0 && request.tools.length > 0;
  if (removed && isForced(toolChoice)) {
    throw forbiddenTools(
      request.tools.map((tool) => tool.form === "opaque" ? typeOf(tool.value) : tool.form),
    );
  }
  // The wire refuses how to choose among no tools; only a demand for one is left for it to refuse.
  if (tools.length === 0 && !isForced(toolChoice)) {
    if (toolChoice && !removed) writing.note(UNUSED_CHOICE);
    return {};
  }
  return {
    ...(tools.length > 0 && { tools }),
    ...(toolChoice && { tool_choice: chatToolChoice(toolChoice, request.tools) }),
    ...(parallelToolCalls !== undefined && { parallel_tool_calls: parallelToolCalls }),
  };
}

/** Nothing for a tool that the target's provider would run, or that another dialect has alone. */
function writeTool(tool: Tool, target: Target, writing: TurnWriting): readonly JsonObject[] {
  if (tool.form !== "opaque") {
    return [withUnread({ ...chatTool(tool), ...marker(tool, writing) }, tool.extra[CHAT])];
  }
  const taken = target.toolSupport[CHAT].includes("hosted_tools") ||
    !isHostedOpenAiTool(typeOf(tool.value));
  if (tool.dialect === CHAT && taken) return [tool.value];
  writing.note({ field: "tools", action: "stripped", reason: "hosted-tool" });
  return [];
}

function chatFormat(output: Exclude<OutputFormat, { type: "text" }>): JsonObject {
  if (output.type === "json") return { type: "json_object" };
  return { type: "json_schema", json_schema: schemaFormat(output) };
}

function reasoningFields(
  request: ChatRequest,
  target: Target,
  note: TurnWriting["note"],
): JsonObject {
  const { reasoning } = request;
  const own = request.caller === CHAT && reasoning ? ownThinking(reasoning) : null;
  const sent = own ? { thinking: own } : defaultThinking(request, target, note);
  if (own && reasoning?.mode !== "effort") return sent;
  const { effort, events } = askedEffort(reasoning, target.reasoning);
  events.forEach(note);
  if (reasoning?.summary !== undefined) {
    note({ field: "reasoning.summary", action: "stripped", reason: "no-counterpart" });
  }
  return { ...(effort !== null && { reasoning_effort: effort }), ...sent };
}

/** The caller's own `thinking`, which may stand beside an effort; `null`: it sent none. */
function ownThinking({ mode, budgetTokens, extra }: Reasoning): JsonObject | null {
  const rest = extra[CHAT]?.["thinking"];
  const own = isObject(rest) ? rest : null;
  if (mode === "effort") return own;
  const type = mode === "off" ? "disabled" : mode === "budget" ? "enabled" : mode;
  const budget = budgetTokens !== undefined && { budget_tokens: budgetTokens };
  return withUnread({ type, ...budget }, own ?? {});
}

/** A default yields to what the caller says about reasoning or forces, and to its cap. */
function defaultThinking(
  request: ChatRequest,
  target: Target,
  note: TurnWriting["note"],
): JsonObject {
  const thinking = target.defaultThinking;
  const cap = request.maxOutputTokens ?? target.defaultOutputTokens;
  if (!thinking || request.reasoning || isForced(request.toolChoice)) return {};
  if ((thinking.budget_tokens ?? 0) >= cap) return {};
  note({ field: "thinking", action: "added", reason: "target-default" });
  return { thinking };
}

function samplingFields(
  request: ChatRequest,
  { outputTokenField, reasoning }: Target,
  note: TurnWriting["note"],
): JsonObject {
  const { maxOutputTokens, stop, sampling } = request;
  const reasons = isAsked(request) || (reasoning.supported && reasoning.mode === "always_on");
  const capField = reasons && reasoning.rejectsMaxTokens
    ? "max_completion_tokens"
    : outputTokenField;
  const refuses = (field: string, refused: boolean, value: number | undefined) => {
    if (value === undefined || !refused) return value;
    note({ field, action: "stripped", reason: "target-limit" });
    return undefined;
  };
  if (sampling.topK !== undefined) {
    note({ field: "top_k", action: "stripped", reason: "no-counterpart" });
  }
  const fields: Readonly<Record<string, Json | undefined>> = {
    [capField]: maxOutputTokens,
    stop: stop.length > 0 ? stop : undefined,
    temperature: refuses(
      "temperature",
      reasons && reasoning.rejectsTemperature,
      sampling.temperature,
    ),
    top_p: refuses("top_p", reasons && reasoning.rejectsTopP, sampling.topP),
    seed: sampling.seed,
    frequency_penalty: sampling.frequencyPenalty,
    presence_penalty: sampling.presencePenalty,
    verbosity: request.verbosity,
    user: request.user,
    prompt_cache_key: request.cacheKey,
  };
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}

function streamFields({ stream }: ChatRequest, { shape }: Target): JsonObject {
  if (!stream) return {};
  const asks = !shape.unsupportedRequestFeatures.has("stream_options");
  return { stream, ...(asks && { stream_options: { include_usage: true } }) };
}

/** A body with what only this wire has, as the caller of it sent it. */
function withOwn(body: JsonObject, { extra }: ChatRequest, target: Target): JsonObject {
  const { stream_options: options, ...own } = extra[CHAT] ?? {};
  const asked = "stream_options" in body && { stream_options: options };
  const written = withUnread(body, { ...own, ...asked });
  return target.forceStoreFalse ? { ...written, store: false } : written;
}

function isAsked({ reasoning }: ChatRequest): boolean {
  return reasoning !== undefined && (reasoning.mode === "budget" ||
    (reasoning.mode === "effort" && reasoning.effort !== "none"));
}
