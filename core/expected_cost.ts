import type { RouteContext, TargetView } from "./strategy.ts";

/** Output tokens of a call that neither its cap nor earlier calls tell anything about. */
const UNKNOWN_OUTPUT_TOKENS = 512;

/**
 * What a call would cost at a target, in nano-USD; `null` when a price it needs is unknown. Input is
 * the estimate, corrected by what is known of the target's tokenizer and cache; output is the smaller
 * of the cap and the target's usual length.
 */
export function expectedCostNusd(
  context: Pick<RouteContext, "features">,
  target: Pick<TargetView, "prices" | "signals">,
): number | null {
  const { prices, signals } = target;
  const { estimatedInputTokens, imageCount, outputCap } = context.features;
  const input = Math.ceil(estimatedInputTokens * (signals.inputTokenRatio ?? 1));
  const cached = input * (signals.cachedInputShare ?? 0);
  const output = smaller(outputCap, signals.meanOutputTokens) ?? UNKNOWN_OUTPUT_TOKENS;
  const cachedPrice = prices.cachedInput ?? prices.input;
  const perImage = imageCount > 0 ? prices.perImage : 0;
  if (prices.input === null || prices.output === null) return null;
  if (cachedPrice === null || perImage === null) return null;
  const tokens = (input - cached) * prices.input + cached * cachedPrice + output * prices.output;
  return tokens / 1e6 + imageCount * perImage;
}

/** The nearest whole number; `null` when there is none. */
export function whole(value: number | null): number | bigint | null {
  if (value === null || !Number.isFinite(value)) return null;
  const rounded = Math.round(value);
  return Number.isSafeInteger(rounded) ? rounded : BigInt(rounded);
}

function smaller(one: number | null, other: number | null): number | null {
  if (one === null || other === null) return one ?? other;
  return Math.min(one, other);
}
