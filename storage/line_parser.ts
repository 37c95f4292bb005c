const INTEGER = /^-?\d+$/;

/**
 * Parses a line; integers that a number cannot hold become BigInt, so that no digit is lost.
 *
 * @throws SyntaxError
 * @example Usage
 * ```ts
 * import { parseLine } from "@/storage/line_parser.ts";
 *
 * const line = parseLine('{"cost":9007199254740993}') as { cost: bigint };
 * if (line.cost !== 9007199254740993n) throw new Error("Cannot keep a digit");
 * ```
 */
export function parseLine(text: string): unknown {
  const value: unknown = JSON.parse(text);
  return isRounded(value) ? JSON.parse(text, exact) : value;
}

/** Whether some number may have lost digits: what rounding gives is past the safe integers, too. */
function isRounded(value: unknown): boolean {
  if (typeof value === "number") return !Number.isSafeInteger(value);
  if (typeof value !== "object" || value === null) return false;
  for (const key in value) if (isRounded(value[key as keyof typeof value])) return true;
  return false;
}

function exact(_key: string, value: unknown, context?: { readonly source?: string }): unknown {
  if (typeof value !== "number" || Number.isSafeInteger(value)) return value;
  const source = context?.source ?? "";
  return INTEGER.test(source) ? BigInt(source) : value;
}
