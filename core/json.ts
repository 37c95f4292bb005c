/** A value as `JSON.parse` gives it. */
export type Json = null | boolean | number | string | readonly Json[] | JsonObject;

/** A JSON object; a member that is absent reads as `undefined`. */
export interface JsonObject {
  readonly [key: string]: Json | undefined;
}

/** Whether a parsed value is an object (not null, not an array). */
export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** An object that may be missing, to read members from. */
export function objectOrEmpty(value: unknown): JsonObject {
  return isObject(value) ? value : {};
}

/** A text that may be missing. */
export function textOrEmpty(value: unknown): string {
  return typeof value === "string" ? value : "";
}

/** A key as parsers see it that do not tell cases apart; Go's encoding/json is one, and takes the last. */
export function foldedKey(key: string): string {
  return /^[a-z0-9_]*$/.test(key) ? key : key.toUpperCase().toLowerCase();
}
