import { hash } from "node:crypto";

/** Whether a call is one of a share of all calls: the same ones in every process, and every time. */
export function isSampled(requestId: string, percent: number): boolean {
  if (percent >= 100) return true;
  const draw = parseInt(hash("sha256", `decision\0${requestId}`, "hex").slice(0, 8), 16);
  return draw % 10_000 < 100 * percent;
}
