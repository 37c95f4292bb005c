import { parseJson } from "../core/parse_json.ts";
const INTEGER = /^-?\d+$/;

/**
 * Parses a line; integers that a number cannot hold become BigInt, so that no digit is lost. NUL becomes
 * U+FFFD: neither engine gives it back, and a row is worth more than that character. It takes twice as
 * long as `JSON.parse`.
 *
 * @throws SyntaxError
 * @example Usage
 * ```ts
 * import { parseExactly } from "@/storage/line_parser.ts";
 *
 * const line = parseExactly('{"cost":9007199254740993}') as { cost: bigint };
 * if (line.cost !== 9007199254740993n) throw new Error("Cannot keep a digit");
 * ```
 */
export function parseExactly(text: string): unknown {
  return parseJson(text, exact);
}

function exact(_key: string, value: unknown, context?: { readonly source?: string }): unknown {
  if (typeof value === "string") return value.replaceAll("\0", "\ufffd");
  if (typeof value !== "number" || Number.isSafeInteger(value)) return value;
  const source = context?.source ?? "";
  return INTEGER.test(source) ? BigInt(source) : value;
}
