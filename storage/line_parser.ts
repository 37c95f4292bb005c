/** An integer past 15 digits that is a member's value: `JSON.parse` might round it. */
const LONG_INTEGER = /:-?\d{16}/;
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
  return LONG_INTEGER.test(text) ? JSON.parse(text, exact) : JSON.parse(text);
}

function exact(_key: string, value: unknown, context?: { readonly source?: string }): unknown {
  if (typeof value !== "number" || Number.isSafeInteger(value)) return value;
  const source = context?.source ?? "";
  return INTEGER.test(source) ? BigInt(source) : value;
}
