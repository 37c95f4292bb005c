const UNITS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/**
 * Reads a duration into milliseconds; `null` when it is none.
 *
 * @example Usage
 * ```ts
 * import { parseDuration } from "@/core/config/duration.ts";
 *
 * if (parseDuration("15m") !== 900_000) throw new Error("Cannot read the duration");
 * ```
 */
export function parseDuration(text: string): number | null {
  const match = /^(\d{1,9})(ms|s|m|h|d)$/.exec(text);
  return match ? Number(match[1]) * UNITS[match[2]!]! : null;
}
