import type { RequestFeatures } from "@/core/features.ts";
import { isObject, type Json } from "@/core/json.ts";
import { scanMembers } from "@/core/scan.ts";
import type { Target } from "@/core/snapshot.ts";
import { editMembers, type MemberEditor } from "@/core/splice.ts";
import type { Edit, WireRequest } from "@/core/wire.ts";
import { type Keeps, messagesProofEdits } from "../proof_edits.ts";
import { proofOfRedacted } from "../proofs.ts";
import { clampBudget } from "../reasoning_amount.ts";
import { defaultThinking, removeRejectedSampling } from "../reasoning_edits.ts";
import { isCall, proofOf } from "./reply.ts";

/** The edits of a Messages body for a target of the same dialect. */
export function messagesEdits(
  request: WireRequest,
  features: RequestFeatures,
  target: Target,
  keeps: Keeps,
): Edit[] {
  const keepsOwn: Keeps = (proof) => isOwnProof(proof) && keeps(proof);
  const edit = editMembers(request.bytes, request.members);
  edit.set("model", JSON.stringify(target.model), "model");
  if (features.outputCap === null) {
    edit.set("max_tokens", String(target.defaultOutputTokens), "max_tokens", "added");
  }
  const thinking = defaultThinking(request.body, features, target);
  if (thinking && !lacksThinking(request, keepsOwn)) {
    edit.set("thinking", JSON.stringify(thinking), "thinking", "added");
  }
  const proofs = messagesProofEdits(request, proofOf, keepsOwn);
  const off = proofs.length > 0 && demandsThinking(request) && lacksThinking(request, keepsOwn);
  if (off) edit.set("thinking", THINKING_OFF, "thinking");
  const budget = off ? [] : repairBudget(request, features, target, edit);
  removeRejectedSampling(edit, features, target);
  return [...edit.list(), ...budget, ...proofs];
}

/** No provider of this dialect can read a proof that is marked as that of another. */
function isOwnProof(proof: string): boolean {
  return proofOfRedacted(proof).dialect === "anthropic";
}

const THINKING_OFF = '{"type":"disabled"}';

/** Whether every turn must think: another type leaves it to the model. */
function demandsThinking({ body }: WireRequest): boolean {
  return isObject(body["thinking"]) && body["thinking"]["type"] === "enabled";
}

/**
 * Whether the conversation stands inside a tool turn without thinking that the provider takes: one
 * that must think refuses it.
 */
function lacksThinking({ body }: WireRequest, keeps: Keeps): boolean {
  const messages: readonly Json[] = Array.isArray(body["messages"]) ? body["messages"] : [];
  let results = false;
  let calls = false;
  for (const message of messages.toReversed()) {
    const { role, content } = isObject(message) ? message : {};
    const blocks = Array.isArray(content) ? content.filter(isObject) : [];
    if (role !== "assistant") {
      results ||= blocks.some(({ type }) => type === "tool_result");
      continue;
    }
    if (!results) return calls;
    if (blocks.map(proofOf).some((proof) => proof !== null && keeps(proof))) return false;
    calls ||= blocks.some(isCall);
    results = false;
  }
  return calls;
}

/** Brings a thinking budget into the target's range and below the cap, or turns thinking off. */
function repairBudget(
  { body, bytes, members }: WireRequest,
  features: RequestFeatures,
  target: Target,
  edit: MemberEditor,
): readonly Edit[] {
  const member = members.get("thinking");
  const { budgetTokens } = features.reasoning;
  if (!member || !isObject(body["thinking"]) || budgetTokens === null) return [];
  const cap = features.outputCap ?? target.defaultOutputTokens;
  const tokens = clampBudget(budgetTokens, cap, target.reasoning);
  if (tokens === budgetTokens) return [];
  if (tokens === null) {
    edit.set("thinking", THINKING_OFF, "thinking");
    return [];
  }
  const inner = editMembers(bytes, scanMembers(bytes, member.start, member.end), member.start);
  inner.set("budget_tokens", String(tokens), "thinking.budget_tokens", "clamped");
  return inner.list();
}
