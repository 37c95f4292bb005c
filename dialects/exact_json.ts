import { isObject, type Json, type JsonObject } from "@/core/json.ts";
import { parseJson } from "@/core/parse_json.ts";
import type { WireRequest } from "@/core/wire.ts";

declare global {
  interface JSON {
    /** @see https://github.com/tc39/proposal-json-parse-with-source */
    rawJSON(text: string): JsonObject;
  }
}

/** A spelling that a parsed number may not keep: a fraction, an exponent, -0, 16 digits and more. */
const FRAGILE_NUMBER = /\d[.eE]|-0|\d{16}/;

/**
 * Parses JSON so that writing it again spells every number as it was: `1.0`, `1e3`, integers over 53
 * bits.
 *
 * @throws {SyntaxError} when the text is no JSON
 */
export function parseExact(text: string): Json {
  if (!FRAGILE_NUMBER.test(text)) return parseJson(text);
  return parseJson(text, (_key, value, context) => {
    const source = context?.source;
    const kept = typeof value !== "number" || source === undefined || String(value) === source;
    return kept ? value : JSON.rawJSON(source);
  });
}

/** A number with more digits than a double keeps. */
const LONG_NUMBER = /\d{16}/;

/** A body whose members that hold schemas keep every digit: a bound of an integer may have 19. */
export function withExactSchemas(
  { bytes, body, members }: WireRequest,
  names: readonly string[],
): JsonObject {
  let exact = body;
  for (const name of names) {
    const member = members.get(name);
    if (!member) continue;
    const text = new TextDecoder().decode(bytes.subarray(member.start, member.end));
    if (LONG_NUMBER.test(text)) exact = { ...exact, [name]: parseExact(text) };
  }
  return exact;
}

/**
 * The arguments of a call for a wire that wants an object: no text is no arguments, and what is no
 * JSON object, cut arguments for one, is `{"_raw": "<text>"}`.
 */
export function argumentsObject(text: string): JsonObject {
  if (text.trim() === "") return {};
  try {
    const value = parseExact(text);
    return isObject(value) ? value : { _raw: text };
  } catch {
    return { _raw: text };
  }
}

/** The text of a call's arguments, the reverse of `argumentsObject`; no arguments are `{}`. */
export function argumentsText(input: Json | undefined): string {
  if (input === undefined || input === null) return "{}";
  return rawText(input) ?? JSON.stringify(input);
}

/** Whether a value holds a number, whose spelling only its text knows. */
export function holdsNumber(value: Json | undefined): boolean {
  if (typeof value === "number") return true;
  if (Array.isArray(value)) return value.some(holdsNumber);
  return isObject(value) && Object.values(value).some(holdsNumber);
}

/** The text inside `{"_raw": ...}` when `argumentsObject` wrapped it. */
function rawText(input: Json): string | null {
  const text = isObject(input) && Object.keys(input).length === 1 ? input["_raw"] : undefined;
  return typeof text === "string" && argumentsObject(text)["_raw"] === text ? text : null;
}
