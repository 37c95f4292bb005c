import type { ChatRequest, Effort, Part, Reasoning } from "@/core/chat.ts";
import type { JsonObject } from "@/core/json.ts";
import type { Target } from "@/core/snapshot.ts";
import type { EditAction, FieldEvent } from "@/core/wire.ts";
import { numberField, objectField } from "../fields.ts";
import { proofStanding } from "../proofs.ts";
import {
  budgetOf,
  clampBudget,
  effortOf,
  isEffort,
  isReasoningOff,
  listedEffort,
} from "../reasoning_amount.ts";
import { fittingThinking } from "../reasoning_edits.ts";
import { isForced } from "../tool_choice.ts";
import { unread } from "../unread.ts";

/** How a request thinks, on the Anthropic wire. */
export interface Thinking {
  /** The `thinking` member; absent: none. */
  readonly thinking?: JsonObject;
  /** `output_config.effort`. */
  readonly effort?: Effort;
  /** Tokens of thinking inside the output; 0 when that is not bounded. */
  readonly budgetTokens: number;
  /** Whether the reply thinks. */
  readonly on: boolean;
  readonly events: readonly FieldEvent[];
}

const NONE: Thinking = { budgetTokens: 0, on: false, events: [] };

/**
 * Reads `thinking` and `output_config.effort`. The caller's own members stay in `extra`, empty ones
 * too: an effort of this dialect alone asks for no thinking.
 *
 * @throws {GatewayError} `invalid-request`
 */
export function decodeThinking(body: JsonObject): Reasoning | undefined {
  const thinking = objectField(body, "thinking");
  const asked = objectField(body, "output_config")?.["effort"];
  const effort = isEffort(asked) ? { effort: asked } : {};
  if (!thinking) return "effort" in effort ? own("effort", effort, {}) : undefined;
  const { type } = thinking;
  const rest = unread(thinking, { type: true, budget_tokens: type === "enabled" });
  if (type === "disabled") return own("off", effort, rest);
  if (type === "enabled") {
    const tokens = numberField(thinking, "budget_tokens", "thinking.budget_tokens");
    return own("budget", { ...effort, ...(tokens !== null && { budgetTokens: tokens }) }, rest);
  }
  const other = type === "adaptive" || type === undefined ? rest : { type, ...rest };
  return own("adaptive", effort, other);
}

function own(
  mode: Reasoning["mode"],
  amount: Pick<Reasoning, "effort" | "budgetTokens">,
  members: JsonObject,
): Reasoning {
  return { mode, ...amount, extra: { anthropic: members } };
}

/** Writes how a request thinks for a target. */
export function encodeThinking(request: ChatRequest, target: Target): Thinking {
  const { reasoning } = request;
  if (!reasoning) return injectedThinking(request, target);
  const members = reasoning.extra.anthropic;
  if (members) return ownThinking(reasoning, members, { request, target });
  if (isReasoningOff(reasoning)) {
    return target.reasoning.supported ? off([]) : dropped("default-value");
  }
  if (!target.reasoning.supported) return dropped("target-limit");
  // A reply that must call a tool cannot think before it.
  if (isForced(request.toolChoice)) return off([event("stripped", "forced-choice")]);
  if (hasUnsignedCalls(request)) return off([event("stripped", "unsigned")]);
  const effort = reasoning.mode === "budget" ? undefined : reasoning.effort;
  if (target.reasoning.control === "token_budget") {
    const budget = reasoning.budgetTokens ?? budgetOf(effort ?? "medium", target.reasoning);
    return budgetThinking(budget, {}, { request, target });
  }
  return adaptiveThinking(effort ?? effortOf(reasoning.budgetTokens), target);
}

/** The target's own default, where nothing the caller sent stands against it. */
function injectedThinking(request: ChatRequest, target: Target): Thinking {
  const { sampling, maxOutputTokens } = request;
  const displaces = (sampling.temperature ?? sampling.topP ?? sampling.topK) !== undefined;
  const thinking = fittingThinking(target, {
    forced: isForced(request.toolChoice),
    outputCap: maxOutputTokens ?? Infinity,
  });
  if (!thinking || displaces || hasUnsignedCalls(request)) return NONE;
  const added: FieldEvent = { field: "thinking", action: "added", reason: "target-default" };
  return { thinking, budgetTokens: thinking.budget_tokens ?? 0, on: true, events: [added] };
}

/** What a caller of this dialect asked, with its budget brought into range. */
function ownThinking(
  { mode, effort, budgetTokens }: Reasoning,
  members: JsonObject,
  call: { readonly request: ChatRequest; readonly target: Target },
): Thinking {
  const level = effort ? { effort } : {};
  if (mode === "effort") return { ...NONE, ...level };
  if (mode === "off") return { ...off([]), ...level, thinking: { type: "disabled", ...members } };
  if (mode === "budget" && budgetTokens !== undefined) {
    return { ...budgetThinking(budgetTokens, members, call), ...level };
  }
  const type = mode === "budget" ? "enabled" : "adaptive";
  return { ...NONE, ...level, thinking: { type, ...members }, on: true };
}

function budgetThinking(
  budgetTokens: number,
  members: JsonObject,
  { request, target }: { readonly request: ChatRequest; readonly target: Target },
): Thinking {
  const tokens = clampBudget(budgetTokens, request.maxOutputTokens ?? null, target.reasoning);
  if (tokens === null) return off([event("stripped", "target-limit")]);
  const clamped: FieldEvent[] = tokens === budgetTokens ? [] : [{
    field: "thinking.budget_tokens",
    action: "clamped",
    reason: "target-limit",
  }];
  return {
    thinking: { type: "enabled", budget_tokens: tokens, ...members },
    budgetTokens: tokens,
    on: true,
    events: clamped,
  };
}

function adaptiveThinking(asked: Effort, target: Target): Thinking {
  const listed = listedEffort(asked, target.reasoning);
  // The wire has nothing below `low`.
  const effort = listed === "minimal" ? "low" : listed;
  const clamped = listed !== asked;
  return {
    thinking: { type: "adaptive" },
    effort,
    budgetTokens: 0,
    on: true,
    events: clamped ? [event("clamped", "target-limit")] : [],
  };
}

function off(events: readonly FieldEvent[]): Thinking {
  return { ...NONE, thinking: { type: "disabled" }, events };
}

function dropped(reason: string): Thinking {
  return { ...NONE, events: [event("stripped", reason)] };
}

function event(action: EditAction, reason: string): FieldEvent {
  return { field: "reasoning", action, reason };
}

/**
 * Whether the conversation stands inside a tool turn whose calls came without signed thinking: a
 * provider that thinks refuses those.
 */
function hasUnsignedCalls({ messages }: ChatRequest): boolean {
  let results = false;
  let calls = false;
  for (const { role, parts } of messages.toReversed()) {
    if (role !== "assistant") {
      results ||= parts.some(({ type }) => type === "tool_result");
      continue;
    }
    // What the user said between two turns of the assistant begins a new one.
    if (!results) return calls;
    if (parts.some(isSigned)) return false;
    calls ||= parts.some(({ type }) => type === "tool_call");
    results = false;
  }
  return calls;
}

function isSigned(part: Part): boolean {
  return part.type === "reasoning" && proofStanding(part, "anthropic") === "own";
}
