import type { ChatRequest, Tool } from "@/core/chat.ts";
import type { EncodedRequest } from "@/core/dialect.ts";
import type { JsonObject } from "@/core/json.ts";
import type { Target } from "@/core/snapshot.ts";
import type { FieldEvent } from "@/core/wire.ts";
import type { MarkerSpelling } from "../cache_marker.ts";
import { droppedHints } from "../hints.ts";
import { forbiddenTools, typeOf } from "../hosted_tools.ts";
import { askedEffort } from "../reasoning_amount.ts";
import { isForced } from "../tool_choice.ts";
import { writeTurns } from "./encode_turns.ts";
import { omit, ownFields, RESPONSES } from "./items.ts";
import { writeOwnReasoning, writeText } from "./settings.ts";
import { writeToolChoice, writeTools } from "./tools.ts";

/** Asks for reasoning that can be sent back: nothing of a bridged call is stored. */
const ENCRYPTED = "reasoning.encrypted_content";

type Note = (event: FieldEvent) => void;

/**
 * Writes a Responses body.
 *
 * @throws {GatewayError} `invalid-request` for what this wire cannot hold;
 * `provider-hosted-tools-forbidden` when only hosted tools could serve a forced tool choice
 * @see https://platform.openai.com/docs/api-reference/responses/create
 */
export function encodeResponsesRequest(request: ChatRequest, target: Target): EncodedRequest {
  const events: FieldEvent[] = [];
  const note: Note = (event) => {
    const isNew = events.every(({ field, action }) =>
      field !== event.field || action !== event.action
    );
    if (isNew) events.push(event);
  };
  const turns = writeTurns(request, { markers: spelling(target), note });
  const reasoning = writeReasoning(request, target, note);
  const text = writeText(request);
  const body = {
    model: request.model,
    ...(turns.instructions !== null && { instructions: turns.instructions }),
    input: turns.input,
    ...toolFields(request, note),
    ...(text && { text }),
    ...(reasoning && { reasoning }),
    ...limitFields(request, { target, reasons: reasons(reasoning, target), note }),
    ...(request.cacheKey !== undefined && { prompt_cache_key: request.cacheKey }),
    ...(request.user !== undefined && { user: request.user }),
    ...(request.stream && { stream: true }),
    ...(request.caller === RESPONSES
      ? omit(ownFields(request.extra), ["text", "tool_choice"])
      : bridgeFields(reasoning)),
    ...(target.forceStoreFalse && { store: false }),
  };
  noteUnspoken(request, note);
  droppedHints(request, RESPONSES).forEach(note);
  return { body, events };
}

function spelling({ promptCacheMarkers }: Target): MarkerSpelling | null {
  if (promptCacheMarkers === "none") return null;
  return promptCacheMarkers === "cache_control" ? "cache_control" : "prompt_cache_breakpoint";
}

function toolFields(request: ChatRequest, note: Note): JsonObject {
  const { toolChoice, parallelToolCalls } = request;
  const choice = writeToolChoice(request);
  const tools = request.tools.filter((tool) =>
    tool.form !== "opaque" || tool.dialect === RESPONSES
  );
  if (tools.length < request.tools.length) {
    note({ field: "tools", action: "stripped", reason: "hosted-tool" });
    if (tools.length === 0 && isForced(toolChoice)) {
      throw forbiddenTools(opaqueTypes(request.tools));
    }
    if (tools.length === 0) return {};
  }
  return {
    ...(tools.length > 0 && { tools: writeTools(tools) }),
    ...(choice !== undefined && { tool_choice: choice }),
    ...(parallelToolCalls !== undefined && { parallel_tool_calls: parallelToolCalls }),
  };
}

function opaqueTypes(tools: readonly Tool[]): readonly string[] {
  return [...new Set(tools.map((tool) => tool.form === "opaque" ? typeOf(tool.value) : tool.form))];
}

/** What its own caller asked stays as it is; over a bridge it is an effort that the target lists. */
function writeReasoning(
  { caller, reasoning }: ChatRequest,
  target: Target,
  note: Note,
): JsonObject | null {
  if (!reasoning) return null;
  if (caller === RESPONSES) return writeOwnReasoning(reasoning);
  const { effort, events } = askedEffort(reasoning, target.reasoning);
  events.forEach(note);
  return effort === null ? null : { effort };
}

function reasons(asked: JsonObject | null, { reasoning }: Target): boolean {
  const effort = asked?.["effort"] ?? "none";
  return effort !== "none" || (reasoning.supported && reasoning.mode === "always_on");
}

function limitFields(
  { maxOutputTokens, sampling }: ChatRequest,
  { target, reasons, note }: { target: Target; reasons: boolean; note: Note },
): JsonObject {
  const { rejectsTemperature, rejectsTopP } = target.reasoning;
  const allowed = (field: string, rejected: boolean, value: number | undefined): JsonObject => {
    if (value === undefined) return {};
    if (!reasons || !rejected) return { [field]: value };
    note({ field, action: "stripped", reason: "target-limit" });
    return {};
  };
  return {
    ...(maxOutputTokens !== undefined && { max_output_tokens: maxOutputTokens }),
    ...allowed("temperature", rejectsTemperature, sampling.temperature),
    ...allowed("top_p", rejectsTopP, sampling.topP),
  };
}

function bridgeFields(reasoning: JsonObject | null): JsonObject {
  const asked = (reasoning?.["effort"] ?? "none") !== "none";
  return { store: false, ...(asked && { include: [ENCRYPTED] }) };
}

/** Notes the neutral fields that this wire has no word for. */
function noteUnspoken({ sampling, cacheAuto, stop }: ChatRequest, note: Note): void {
  const { topK, seed, frequencyPenalty, presencePenalty } = sampling;
  const unspoken = {
    top_k: topK,
    seed,
    frequency_penalty: frequencyPenalty,
    presence_penalty: presencePenalty,
    stop: stop.length > 0 || undefined,
    cache_control: cacheAuto || undefined,
  };
  for (const [field, value] of Object.entries(unspoken)) {
    if (value !== undefined) note({ field, action: "stripped", reason: "no-counterpart" });
  }
}
