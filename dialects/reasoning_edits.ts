import type { RequestFeatures } from "@/core/features.ts";
import type { JsonObject } from "@/core/json.ts";
import type { Target } from "@/core/snapshot.ts";
import type { MemberEditor } from "@/core/splice.ts";

/** Whether the target reasons on this request: it was asked to, or it always does. */
export function reasons(features: RequestFeatures, { reasoning }: Target): boolean {
  return features.reasoning.requested || (reasoning.supported && reasoning.mode === "always_on");
}

/** Removes the sampling fields that the target rejects while it reasons. */
export function removeRejectedSampling(
  edit: MemberEditor,
  features: RequestFeatures,
  target: Target,
): void {
  if (!reasons(features, target)) return;
  if (target.reasoning.rejectsTemperature) edit.remove("temperature", "temperature");
  if (target.reasoning.rejectsTopP) edit.remove("top_p", "top_p");
}

/**
 * The thinking to inject, or `null`: only when the caller sent none and forces no tool, and only with
 * a budget below the cap. A default never displaces what the caller sent.
 */
export function defaultThinking(
  body: JsonObject,
  features: RequestFeatures,
  target: Target,
): Target["defaultThinking"] {
  const sent = (body["thinking"] ?? null) !== null;
  const forced = features.toolChoice === "required" || features.toolChoice === "named";
  if (!target.defaultThinking || sent || forced) return null;
  const cap = features.outputCap ?? target.defaultOutputTokens;
  return (target.defaultThinking.budget_tokens ?? 0) < cap ? target.defaultThinking : null;
}
