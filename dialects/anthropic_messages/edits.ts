import type { RequestFeatures } from "@/core/features.ts";
import { isObject } from "@/core/json.ts";
import { scanMembers } from "@/core/scan.ts";
import type { Target } from "@/core/snapshot.ts";
import { editMembers, type MemberEditor } from "@/core/splice.ts";
import type { Edit, WireRequest } from "@/core/wire.ts";
import { defaultThinking, removeRejectedSampling } from "../reasoning_edits.ts";

/** The least thinking a provider takes, tokens. */
const LEAST_BUDGET = 1_024;

/** The edits of a Messages body for a target of the same dialect. */
export function messagesEdits(
  request: WireRequest,
  features: RequestFeatures,
  target: Target,
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
  return [...edit.list(), ...budget];
}

/** Brings a thinking budget into the target's range and below the cap, or turns thinking off. */
function repairBudget(
  { body, bytes, members }: WireRequest,
  features: RequestFeatures,
  target: Target,
  edit: MemberEditor,
): Edit[] {
  const member = members.get("thinking");
  const { budgetTokens } = features.reasoning;
  if (!member || !isObject(body["thinking"]) || budgetTokens === null) return [];
  const tokens = clampBudget(budgetTokens, features.outputCap, target);
  if (tokens === budgetTokens) return [];
  if (tokens < LEAST_BUDGET) {
    edit.set("thinking", '{"type":"disabled"}', "thinking");
    return [];
  }
  const inner = editMembers(bytes, scanMembers(bytes, member.start, member.end), member.start);
  inner.set("budget_tokens", String(tokens), "thinking.budget_tokens", "clamped");
  return inner.list();
}

function clampBudget(budget: number, outputCap: number | null, target: Target): number {
  const { minBudgetTokens, maxBudgetTokens, budgetMustBeLessThanMaxTokens } = target.reasoning;
  const least = Math.max(minBudgetTokens, LEAST_BUDGET);
  const inRange = Math.min(Math.max(Math.ceil(budget), least), maxBudgetTokens ?? Infinity);
  if (!budgetMustBeLessThanMaxTokens) return inRange;
  return Math.min(inRange, (outputCap ?? target.defaultOutputTokens) - 1);
}
