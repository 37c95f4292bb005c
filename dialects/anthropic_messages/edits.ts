import type { RequestFeatures } from "@/core/features.ts";
import { isObject } from "@/core/json.ts";
import { scanMembers } from "@/core/scan.ts";
import type { Target } from "@/core/snapshot.ts";
import { editMembers, type MemberEditor } from "@/core/splice.ts";
import type { Edit, WireRequest } from "@/core/wire.ts";
import { type Keeps, messagesProofEdits } from "../proof_edits.ts";
import { clampBudget } from "../reasoning_amount.ts";
import { defaultThinking, removeRejectedSampling } from "../reasoning_edits.ts";
import { proofOf } from "./reply.ts";

/** The edits of a Messages body for a target of the same dialect. */
export function messagesEdits(
  request: WireRequest,
  features: RequestFeatures,
  target: Target,
  keeps: Keeps,
): Edit[] {
  const edit = editMembers(request.bytes, request.members);
  edit.set("model", JSON.stringify(target.model), "model");
  if (features.outputCap === null) {
    edit.set("max_tokens", String(target.defaultOutputTokens), "max_tokens", "added");
  }
  const thinking = defaultThinking(request.body, features, target);
  if (thinking) edit.set("thinking", JSON.stringify(thinking), "thinking", "added");
  const budget = repairBudget(request, features, target, edit);
  removeRejectedSampling(edit, features, target);
  return [...edit.list(), ...budget, ...messagesProofEdits(request, proofOf, keeps)];
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
    edit.set("thinking", '{"type":"disabled"}', "thinking");
    return [];
  }
  const inner = editMembers(bytes, scanMembers(bytes, member.start, member.end), member.start);
  inner.set("budget_tokens", String(tokens), "thinking.budget_tokens", "clamped");
  return inner.list();
}
