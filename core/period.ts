/** A day of UTC, ms. */
export const DAY_MS = 86_400_000;

/** Spans of the calendar in which quotas count. */
export type PeriodName = "day" | "month";

/** `start <= t < end`, epoch ms. */
export interface Period {
  readonly start: number;
  readonly end: number;
}

/**
 * The UTC day or month of a moment.
 *
 * @param time epoch ms
 * @example Usage
 * ```ts
 * import { periodAt } from "@/core/period.ts";
 *
 * const { start, end } = periodAt("month", Date.UTC(2028, 1, 29, 23));
 * if (start !== Date.UTC(2028, 1, 1) || end !== Date.UTC(2028, 2, 1)) throw new Error("Cannot tell");
 * ```
 */
export function periodAt(name: PeriodName, time: number): Period {
  if (name === "day") {
    const start = Math.floor(time / DAY_MS) * DAY_MS;
    return { start, end: start + DAY_MS };
  }
  const date = new Date(time);
  const [year, month] = [date.getUTCFullYear(), date.getUTCMonth()];
  return { start: Date.UTC(year, month, 1), end: Date.UTC(year, month + 1, 1) };
}

/** Whether a day as `YYYY-MM-DD` is in the calendar: `Date` takes the 31st of a shorter month for the 1st of the next. */
export function isDay(day: string): boolean {
  return new Date(`${day}T00:00:00Z`).toJSON()?.startsWith(day) ?? false;
}
