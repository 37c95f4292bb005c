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
  if ((body["thinking"] ?? null) !== null) return null;
  const forced = features.toolChoice === "required" || features.toolChoice === "named";
  return fittingThinking(target, {
    forced,
    outputCap: features.outputCap ?? target.defaultOutputTokens,
  });
}

/** The target's default thinking if no tool is forced and its budget is below the cap, in tokens. */
export function fittingThinking(
  { defaultThinking: thinking }: Target,
  { forced, outputCap }: { readonly forced: boolean; readonly outputCap: number },
): Target["defaultThinking"] {
  if (!thinking || forced) return null;
  return (thinking.budget_tokens ?? 0) < outputCap ? thinking : null;
}
