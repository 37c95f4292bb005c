import type { Call } from "./call.ts";
import type { Row } from "./record.ts";
import { reservedTokens } from "./reserve.ts";

/** How `completeFeatures` estimates: by characters. */
const METHOD = { estimate_method: "chars", estimate_version: "1" } as const;

/**
 * The row of `request_token_estimates`: what was expected of a call, beside what its row says it used.
 * None when the body was not read.
 */
export function tokenEstimates(call: Call): readonly Row[] {
  const { features, estimate, group } = call;
  if (!features || !estimate || !group) return [];
  const { base, confidence } = estimate;
  const { estimatedToolTokens: tools, estimatedImageTokens: images, mediaTokens: media } = features;
  const { input, output } = reservedTokens(call);
  return [{
    ...METHOD,
    estimate_confidence_bucket: confidence,
    estimated_input_tokens: base - tools - images - media,
    estimated_tool_schema_tokens: tools,
    estimated_image_tokens: images,
    estimated_audio_tokens: media,
    estimated_total_input_tokens: base,
    requested_output_cap_field: features.outputCapField ?? undefined,
    requested_output_cap_tokens: features.outputCap ?? 0,
    router_default_output_cap_applied: features.outputCap === null ? 1 : 0,
    total_reserved_tokens: input + output,
    request_bytes: features.requestBytes,
    translated_request_bytes: call.attempts.findLast(({ bridge }) => bridge)?.requestBytes ?? 0,
  }];
}
