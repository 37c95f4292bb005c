import { parseDuration } from "../core/config/duration.ts";
import { isDay } from "../core/period.ts";

/** A half-open span of time, epoch ms. */
export interface TimeWindow {
  readonly from: number;
  readonly to: number;
}

/**
 * Reads a point in time: RFC 3339, `YYYY-MM-DD`, or `YYYY-MM-DD HH:MM:SS`, UTC when it does not say.
 *
 * @throws RangeError
 * @example Usage
 * ```ts
 * import { parseTime } from "@/storage/time_window.ts";
 *
 * if (parseTime("1970-01-02") !== 86_400_000) throw new Error("Cannot read a day");
 * ```
 */
export function parseTime(text: string): number {
  const match = /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d:\d\d(?:\.\d+)?)(Z|[+-]\d\d:\d\d)?)?$/i.exec(
    text,
  );
  const [, day = "", clock = "00:00:00", zone = "Z"] = match ?? [];
  const time = Date.parse(`${day}T${clock}${zone.toUpperCase()}`);
  if (match && Number.isFinite(time) && isDay(day)) return time;
  throw new RangeError(`Cannot read time "${text}": expected RFC 3339 or YYYY-MM-DD[ HH:MM:SS]`);
}

/**
 * The window of `--since`, `--from`, `--to` or `--month`; the last 24 hours when nothing is given.
 *
 * @throws RangeError
 */
export function parseWindow(
  { since, from, to, month }: { since?: string; from?: string; to?: string; month?: string },
  now: number,
): TimeWindow {
  if (month !== undefined) {
    if ((since ?? from ?? to) === undefined) return parseMonth(month);
    throw new RangeError("Cannot use --month with --since, --from or --to");
  }
  if (since !== undefined && from !== undefined) {
    throw new RangeError("Cannot use --since and --from together");
  }
  const end = to === undefined ? now + 1 : parseTime(to);
  const begin = from === undefined ? end - duration(since ?? "24h") : parseTime(from);
  if (begin < end) return { from: begin, to: end };
  throw new RangeError("Cannot report on an empty window: --from must be before --to");
}

function parseMonth(text: string): TimeWindow {
  const [, year, month] = /^(\d{4})-(0[1-9]|1[0-2])$/.exec(text) ?? [];
  if (!year) throw new RangeError(`Cannot read month "${text}": expected YYYY-MM`);
  const begin = (ahead: number) => Date.UTC(Number(year), Number(month) - 1 + ahead);
  return { from: begin(0), to: begin(1) };
}

function duration(text: string): number {
  const ms = /^\d{1,6}[mhd]$/.test(text) ? parseDuration(text) : null;
  if (ms !== null) return ms;
  throw new RangeError(`Cannot read span "${text}": expected a number and m, h or d`);
}
