import { hash } from "node:crypto";

/**
 * JSON with sorted keys, so that equal settings give equal text. Bigints become decimal strings,
 * dates ISO strings, sets lists and maps objects; functions and `undefined` are left out.
 */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_, item: unknown) => {
    if (typeof item === "bigint") return item.toString();
    if (item instanceof Set) return [...item];
    if (item instanceof Map) return sorted(Object.fromEntries(item));
    if (typeof item !== "object" || item === null || Array.isArray(item)) return item;
    return sorted(item as Readonly<Record<string, unknown>>);
  });
}

function sorted(object: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(object).sort(([a], [b]) => a < b ? -1 : a > b ? 1 : 0),
  );
}

/** First 32 hex digits of SHA-256 over the canonical JSON of a value. */
export function fingerprint(value: unknown): string {
  return hash("sha256", canonicalJson(value), "hex").slice(0, 32);
}

/** Freezes a value and all it holds; bytes and the entries' own tables cannot be frozen. */
export function deepFreeze<Value>(value: Value): Value {
  if (typeof value !== "object" || value === null || ArrayBuffer.isView(value)) return value;
  if (Object.isFrozen(value)) return value;
  Object.freeze(value);
  const parts = value instanceof Map || value instanceof Set
    ? [...value.values()]
    : Object.values(value);
  for (const part of parts) deepFreeze(part);
  return value;
}
