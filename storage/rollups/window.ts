import { periodAt } from "../../core/period.ts";

/** Kinds of rollups, by the length of their windows. */
export const ROLLUP_TYPES = ["hourly", "daily", "monthly"] as const;
export type RollupType = typeof ROLLUP_TYPES[number];

/** A half-open span, aligned to its type, UTC; epoch ms. */
export interface RollupWindow {
  readonly type: RollupType;
  readonly start: number;
  readonly end: number;
}

const HOUR_MS = 3_600_000;

/** The window of a type that holds a moment. */
export function windowAt(type: RollupType, at: number): RollupWindow {
  switch (type) {
    case "hourly":
      return { type, start: at - at % HOUR_MS, end: at - at % HOUR_MS + HOUR_MS };
    case "daily":
      return { type, ...periodAt("day", at) };
    case "monthly":
      return { type, ...periodAt("month", at) };
  }
}

/**
 * The windows of a span of time.
 *
 * @throws RangeError when the span is empty or not aligned to the type
 */
export function windowsOf(
  type: RollupType,
  { from, to }: { readonly from: number; readonly to: number },
): RollupWindow[] {
  const found: RollupWindow[] = [];
  for (let at = from; at < to; at = found.at(-1)!.end) found.push(windowAt(type, at));
  if (found[0]?.start === from && found.at(-1)!.end === to) return found;
  throw new RangeError(
    `Cannot roll up: --from and --to must be the bounds of ${type} windows, UTC`,
  );
}
