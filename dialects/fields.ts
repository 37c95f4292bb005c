import { GatewayError } from "@/core/errors.ts";
import { isObject, type Json, type JsonObject } from "@/core/json.ts";

/** The 400 for an inspected field: the message names it, `details` say where and why. */
export function invalidField(path: string, expected: string, reason = "wrong-type"): GatewayError {
  const message = `Cannot read ${path}: expected ${expected}`;
  return new GatewayError("invalid-request", message, { path, reason });
}

/** A boolean field; `null` when absent or null. */
export function booleanField(body: JsonObject, key: string, path = key): boolean | null {
  const value = body[key] ?? null;
  if (value === null || typeof value === "boolean") return value;
  throw invalidField(path, "true or false");
}

/** A text field; `null` when absent or null. */
export function textField(body: JsonObject, key: string, path = key): string | null {
  const value = body[key] ?? null;
  if (value === null || typeof value === "string") return value;
  throw invalidField(path, "a string");
}

/** A number field; `null` when absent or null. */
export function numberField(body: JsonObject, key: string, path = key): number | null {
  const value = body[key] ?? null;
  if (value === null || typeof value === "number") return value;
  throw invalidField(path, "a number");
}

/** A whole number of at least 1; `null` when absent or null. */
export function countField(body: JsonObject, key: string, path = key): number | null {
  const value = body[key] ?? null;
  if (value === null) return null;
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= 1) return value;
  const reason = typeof value === "number" ? "out-of-range" : "wrong-type";
  throw invalidField(path, "a whole number of at least 1", reason);
}

/** An object field; `null` when absent or null. */
export function objectField(body: JsonObject, key: string, path = key): JsonObject | null {
  const value = body[key] ?? null;
  if (value === null || isObject(value)) return value;
  throw invalidField(path, "an object");
}

/** A list field; `null` when absent or null. */
export function listField(body: JsonObject, key: string): readonly Json[] | null {
  const value = body[key] ?? null;
  if (value === null || Array.isArray(value)) return value;
  throw invalidField(key, "a list");
}

/** A list of objects; empty when absent or null. */
export function objectListField(body: JsonObject, key: string): readonly JsonObject[] {
  return (listField(body, key) ?? []).map((item, index) => {
    if (isObject(item)) return item;
    throw invalidField(`${key}[${index}]`, "an object");
  });
}

/** The metadata names that may be stored, sorted: `[A-Za-z0-9_.-]{1,64}`, at most 32. */
export function metadataKeys(body: JsonObject): readonly string[] {
  const names = Object.keys(objectField(body, "metadata") ?? {});
  return names.filter((name) => /^[A-Za-z0-9_.-]{1,64}$/.test(name)).sort().slice(0, 32);
}
