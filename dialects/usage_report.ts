import type { Json } from "@/core/json.ts";
import { tokenCount, type UsageReport } from "@/core/usage.ts";

/**
 * Makes a report from wire values: what is no whole number at or above 0 counts as not reported, and
 * a subset is capped by its whole, so that no token is counted twice.
 *
 * @returns `null` when nothing was reported
 */
export function usageReport(
  wire: { readonly [Class in keyof UsageReport]?: Json | undefined },
): UsageReport | null {
  const input = tokenCount(wire.input);
  const output = tokenCount(wire.output);
  const cachedInput = capped(tokenCount(wire.cachedInput), input);
  const uncached = input === null ? null : input - (cachedInput ?? 0);
  const report = {
    input,
    output,
    cachedInput,
    cacheWrite: capped(tokenCount(wire.cacheWrite), uncached),
    image: capped(tokenCount(wire.image), input),
    reasoning: capped(tokenCount(wire.reasoning), output),
  };
  return Object.values(report).every((count) => count === null) ? null : report;
}

function capped(part: number | null, whole: number | null): number | null {
  return part === null || whole === null ? part : Math.min(part, whole);
}
