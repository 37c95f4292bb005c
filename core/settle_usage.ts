import type { TargetEstimate } from "./calibration.ts";
import type { ReplyFacts } from "./dialect.ts";
import { NO_USAGE, type Usage } from "./usage.ts";

/** How a call ended, as far as its tokens depend on it. */
export interface UsageEnding {
  /** What the tap or the reply said; `null` when no provider answered. */
  readonly facts: Pick<ReplyFacts, "usage" | "finishReason" | "contentBytes"> | null;
  /** The reply reached its end. */
  readonly complete: boolean;
  /** Content reached the caller. */
  readonly delivered: boolean;
  /** What stands for numbers that the provider did not report. */
  readonly estimate: TargetEstimate;
}

/**
 * The tokens a call is settled to: the provider's where it reported them, else the estimate of what
 * was delivered. Delivered content is never free; without content and report nothing is charged.
 */
export function settleUsage(ending: UsageEnding): Usage {
  const seen = ending.facts?.usage ?? NO_USAGE;
  const classes = {
    cachedInput: seen.cachedInput ?? 0,
    cacheWrite: seen.cacheWrite ?? 0,
    image: seen.image,
    reasoning: seen.reasoning,
  };
  if (!ending.complete && !ending.delivered) {
    const reported = seen.input !== null || seen.output !== null;
    const source = reported ? "upstream" : "none";
    return { ...classes, input: seen.input ?? 0, output: seen.output ?? 0, source };
  }
  const content = Math.ceil(
    (ending.facts?.contentBytes ?? 0) / ending.estimate.bytesPerOutputToken,
  );
  // A provider that named its finish has counted to the end, even if the caller left right after.
  const final = ending.complete || ending.facts?.finishReason != null;
  const whole = final && seen.input !== null && seen.output !== null;
  const output = final && seen.output !== null ? seen.output : Math.max(seen.output ?? 0, content);
  return {
    ...classes,
    input: seen.input ?? ending.estimate.input,
    output,
    source: whole ? "upstream" : "estimated",
  };
}
