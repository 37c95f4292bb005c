const BARS = "▁▂▃▄▅▆▇█";
/** Most bars of a line. */
export const WIDEST = 80;

/**
 * Draws numbers as a line of bars: nothing is a blank, the largest a full bar. More numbers than the
 * line may be wide are drawn as the largest of each few.
 *
 * @example Usage
 * ```ts
 * import { sparkline } from "@/storage/reports/sparkline.ts";
 *
 * if (sparkline([0n, 1n, 8n]) !== " ▁█") throw new Error("Cannot draw");
 * ```
 */
export function sparkline(values: readonly bigint[], widest = WIDEST): string {
  const each = Math.max(1, Math.ceil(values.length / widest));
  const largest = Array.from(
    { length: Math.ceil(values.length / each) },
    (_, place) => max(values.slice(place * each, (place + 1) * each)),
  );
  const top = max(largest);
  return largest.map((value) => {
    if (value <= 0n) return " ";
    const height = (value * BigInt(BARS.length) + top - 1n) / top;
    return BARS[Number(height) - 1]!;
  }).join("");
}

/** The largest number; 0 of none. */
export function max(values: readonly bigint[]): bigint {
  return values.reduce((top, value) => value > top ? value : top, 0n);
}
