import type { ChatRequest, Message } from "@/core/chat.ts";
import type { EncodedRequest } from "@/core/dialect.ts";
import { GatewayError } from "@/core/errors.ts";
import { isObject, type Json, type JsonObject } from "@/core/json.ts";
import type { Target } from "@/core/snapshot.ts";
import { droppedHints } from "../hints.ts";
import { withUnread } from "../unread.ts";
import {
  type Block,
  encodeTurn,
  encodeTurns,
  note,
  type Notes,
  type Turn,
  withRest,
} from "./blocks.ts";
import { encodeThinking, type Thinking } from "./thinking.ts";
import { encodeTool, encodeToolChoice, offeredTools, toolEvents } from "./tools.ts";

/** Cache markers that a request may hold. */
const MAX_MARKERS = 4;

/** The body of a request before its cache markers are counted. */
interface Draft {
  readonly system: readonly Block[];
  readonly tools: readonly Block[];
  readonly turns: readonly Turn[];
}

/**
 * Writes a Messages body.
 *
 * @throws {GatewayError} `invalid-request` when no turn is left to send
 * @see https://docs.anthropic.com/en/api/messages
 */
export function encodeMessagesRequest(request: ChatRequest, target: Target): EncodedRequest {
  const notes: Notes = { markers: target.promptCacheMarkers !== "none", events: [] };
  const thinking = encodeThinking(request, target);
  const draft = encodeDraft(request, notes);
  const auto = wantsCaching(request, draft, notes);
  const outputConfig = encodeOutput(request, thinking, notes);
  const choice = encodeToolChoice(request);
  noteUnspoken(request, notes);
  const body: JsonObject = {
    model: request.model,
    max_tokens: outputCap(request, { target, thinking, notes }),
    ...(draft.system.length > 0 && { system: draft.system }),
    messages: draft.turns.map(({ role, content }) => ({ role, content })),
    ...(draft.tools.length > 0 && { tools: draft.tools }),
    ...(choice !== undefined && { tool_choice: choice }),
    ...(thinking.thinking && { thinking: thinking.thinking }),
    ...(Object.keys(outputConfig).length > 0 && { output_config: outputConfig }),
    ...(request.stop.length > 0 && { stop_sequences: request.stop }),
    ...encodeSampling(request, { target, thinking, notes }),
    ...(request.stream && { stream: true }),
    ...(auto && { cache_control: { type: "ephemeral" } }),
  };
  return {
    body: withUnread(body, request.extra.anthropic),
    events: [
      ...notes.events,
      ...thinking.events,
      ...toolEvents(request),
      ...droppedHints(request, "anthropic"),
    ],
  };
}

/** Writes system, tools and turns, and keeps the last of too many cache markers. */
function encodeDraft(request: ChatRequest, notes: Notes): Draft {
  const { messages } = request;
  const start = messages.findIndex((message) => !leads(message));
  const leading = messages.slice(0, start === -1 ? messages.length : start);
  const draft: Draft = {
    system: encodeTurn([...request.instructions, ...leading.flatMap(({ parts }) => parts)], notes),
    tools: offeredTools(request).flatMap((tool) => {
      const value = encodeTool(tool);
      if (!value) note(notes, "tools");
      // A tool of this wire alone holds its marker as it came.
      return value ? [withRest(value, tool.form === "opaque" ? { extra: {} } : tool, notes)] : [];
    }),
    turns: encodeTurns(messages.slice(leading.length), notes),
  };
  if (draft.turns.length === 0) {
    const message = "Cannot write messages: no turn of the user or the assistant is left";
    throw new GatewayError("invalid-request", message, { path: "messages", reason: "empty" });
  }
  const marked = markedBlocks(draft);
  for (const block of marked.slice(0, -MAX_MARKERS)) {
    delete block["cache_control"];
    note(notes, "cache_control", { reason: "target-limit" });
  }
  return draft;
}

/** Whether a turn before the conversation belongs to the system, which holds nothing but text. */
function leads({ role, parts, extra }: Message): boolean {
  const isSystem = (role === "system" || role === "developer") && !extra.anthropic;
  return isSystem && parts.every(({ type }) => type === "text");
}

/** Blocks with a cache marker in the order in which the provider caches. */
function markedBlocks({ tools, system, turns }: Draft): readonly Block[] {
  return [...tools, ...system, ...turns.flatMap(({ content }) => content)].flatMap(markedInside);
}

/** What a result holds is cached before the result itself. */
function markedInside(block: Json): readonly Block[] {
  if (!isBlock(block)) return [];
  const { type, content } = block;
  const held = type === "tool_result" && Array.isArray(content) ? content : [];
  return [...held.flatMap(markedInside), ...(block["cache_control"] ? [block] : [])];
}

function isBlock(value: Json): value is Block {
  return isObject(value);
}

/**
 * Whether the provider is asked to cache by itself: the caller asked for it, or comes from a wire
 * where that needs no asking and its prompt is likely to come again.
 */
function wantsCaching(request: ChatRequest, draft: Draft, notes: Notes): boolean {
  if (!notes.markers) return false;
  if (request.cacheAuto || request.extra.anthropic) return request.cacheAuto;
  const returns = draft.tools.length > 0 || request.cacheKey !== undefined ||
    request.messages.some(({ role }) => role === "assistant");
  if (!returns || isExplicit(request) || markedBlocks(draft).length > 0) return false;
  note(notes, "cache_control", { action: "added", reason: "prompt-cache" });
  return true;
}

function isExplicit({ extra }: ChatRequest): boolean {
  return Object.values(extra).some(({ prompt_cache_options: options }) =>
    isObject(options) && options["mode"] === "explicit"
  );
}

/** What is known while the rest of a body is written. */
interface Writing {
  readonly target: Target;
  readonly thinking: Thinking;
  readonly notes: Notes;
}

/** The caller's cap, else the target's default with room for the thinking. */
function outputCap({ maxOutputTokens }: ChatRequest, { target, thinking, notes }: Writing): number {
  if (maxOutputTokens !== undefined) return maxOutputTokens;
  note(notes, "max_tokens", { action: "added", reason: "required" });
  return target.defaultOutputTokens + thinking.budgetTokens;
}

function encodeOutput({ output }: ChatRequest, { effort }: Thinking, notes: Notes): JsonObject {
  if (output.type === "json") note(notes, "response_format");
  const level = effort === undefined ? {} : { effort };
  if (output.type !== "schema") return level;
  for (const key of ["name", "description", "strict"] as const) {
    if (output[key] !== undefined) note(notes, `format.${key}`);
  }
  return { ...level, format: { type: "json_schema", schema: output.schema } };
}

/** A reply that thinks is sampled in the provider's own way; elsewhere 1 is the most. */
function encodeSampling({ sampling }: ChatRequest, writing: Writing): JsonObject {
  const { temperature, topP, topK } = sampling;
  const asked = { temperature, top_p: topP, top_k: topK };
  const out: Record<string, number> = {};
  for (const [field, value] of Object.entries(asked)) {
    if (value === undefined) continue;
    if (writing.thinking.on) {
      note(writing.notes, field, { reason: "target-limit" });
      continue;
    }
    out[field] = field === "top_k" ? value : Math.min(value, 1);
    if (out[field] === value) continue;
    note(writing.notes, field, { action: "clamped", reason: "target-limit" });
  }
  return out;
}

/** Notes the neutral fields that this wire has no word for. */
function noteUnspoken(request: ChatRequest, notes: Notes): void {
  const { sampling, reasoning, cacheKey, verbosity, user } = request;
  const unspoken = {
    seed: sampling.seed,
    frequency_penalty: sampling.frequencyPenalty,
    presence_penalty: sampling.presencePenalty,
    "reasoning.summary": reasoning?.summary,
    prompt_cache_key: cacheKey,
    verbosity,
    user,
  };
  for (const [field, value] of Object.entries(unspoken)) {
    if (value !== undefined) note(notes, field);
  }
}
