import type { Json, JsonObject } from "@/core/json.ts";

/** Zero, or else the number next to it that the bounds and `multipleOf` of a schema allow. */
export function nearestZero(type: "integer" | "number", schema: JsonObject): number {
  const step = numberOf(schema["multipleOf"], 1);
  const low = bound(schema["minimum"], schema["exclusiveMinimum"], Math.max, -Infinity);
  const high = bound(schema["maximum"], schema["exclusiveMaximum"], Math.min, Infinity);
  const whole = type === "integer" || schema["multipleOf"] !== undefined;
  if (low.at > 0 || (low.at === 0 && low.open)) return above(low, high.at, { step, whole });
  const mirrored = { at: -high.at, open: high.open };
  if (high.at < 0 || (high.at === 0 && high.open)) {
    return -above(mirrored, -low.at, { step, whole });
  }
  return 0;
}

interface Bound {
  readonly at: number;
  /** The bound itself is not allowed. */
  readonly open: boolean;
}

function bound(
  closed: Json | undefined,
  open: Json | undefined,
  stricter: (...values: number[]) => number,
  none: number,
): Bound {
  const at = stricter(numberOf(closed, none), numberOf(open, none));
  return { at, open: at === numberOf(open, none) };
}

function above(low: Bound, high: number, { step, whole }: { step: number; whole: boolean }) {
  const next = Math.ceil(low.at / step) * step;
  const found = low.open && next === low.at ? next + step : next;
  return found > high && !whole ? (low.at + high) / 2 : found;
}

function numberOf(value: Json | undefined, otherwise: number): number {
  return typeof value === "number" ? value : otherwise;
}
