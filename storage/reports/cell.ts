import type { Cell, Format } from "./report.ts";

/**
 * Nano-USD as USD, at least two decimals.
 *
 * @example Usage
 * ```ts
 * import { usd } from "@/storage/reports/cell.ts";
 *
 * if (usd(1_234_500_000n) !== "1.2345") throw new Error("Cannot print money");
 * ```
 */
export function usd(nusd: bigint): string {
  const digits = String(nusd < 0n ? -nusd : nusd).padStart(10, "0");
  const decimals = digits.slice(-9).replace(/0{1,7}$/, "");
  return `${nusd < 0n ? "-" : ""}${digits.slice(0, -9)}.${decimals}`;
}

/** A value for people. */
export function shown(value: Cell, format: Format): string {
  if (value === null) return "unknown";
  if (typeof value === "string") return value === "" ? "(none)" : value;
  switch (format) {
    case "nusd":
      return value < 0n ? `-$${usd(-value)}` : `$${usd(value)}`;
    case "ms":
      return `${withCommas(value)} ms`;
    case "us":
      return `${withCommas(value)} us`;
    case "rate":
      return `${withCommas(value)}/s`;
    case "share":
      return percent(value);
    case "time":
      return shownTime(value);
    case "count":
    case "text":
      return withCommas(value);
  }
}

/** A value for programs: money in USD, times in RFC 3339; empty when it is unknown. */
export function plain(value: Cell, format: Format): string {
  if (value === null) return "";
  if (typeof value === "string") return value;
  return format === "nusd" ? usd(value) : format === "time" ? time(value) : String(value);
}

/** A part of a whole in percent; `0%` of nothing. */
export function share(part: bigint, whole: bigint): string {
  return whole === 0n ? "0%" : percent(part * 1_000_000n / whole);
}

/** A time for people: milliseconds only where there are some. */
export function shownTime(epochMs: bigint): string {
  return time(epochMs).replace(".000Z", "Z");
}

/** Epoch ms as RFC 3339. */
export function time(epochMs: bigint): string {
  return new Date(Number(epochMs)).toISOString();
}

function percent(millionths: bigint): string {
  const tenths = (millionths < 0n ? -millionths : millionths) / 1_000n;
  return `${millionths < 0n ? "-" : ""}${withCommas(tenths / 10n)}.${tenths % 10n}%`;
}

function withCommas(value: bigint): string {
  return String(value).replace(/\B(?=(\d{3})+$)/g, ",");
}
