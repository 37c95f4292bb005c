import { isObject, type Json, type JsonObject } from "../json.ts";

/*
 * A configuration that may still be wrong, read without trust: checks across entries run beside the
 * schema, so that one run reports everything.
 */

/** Members of a map; none when it is no map. */
export function entriesOf(value: Json | undefined): readonly (readonly [string, Json])[] {
  if (!isObject(value)) return [];
  return Object.entries(value).map(([key, item]) => [key, item ?? null]);
}

/** Items of a list that are maps, with their positions. */
export function itemsOf(value: Json | undefined): readonly (readonly [number, JsonObject])[] {
  if (!Array.isArray(value)) return [];
  return value.flatMap((item, index) => isObject(item) ? [[index, item] as const] : []);
}

/** The value at some keys, or `undefined`. */
export function member(value: Json | undefined, ...keys: readonly string[]): Json | undefined {
  return keys.reduce<Json | undefined>(
    (found, key) => isObject(found) && Object.hasOwn(found, key) ? found[key] : undefined,
    value,
  );
}

/** A text, or `null`. */
export function textOf(value: Json | undefined): string | null {
  return typeof value === "string" ? value : null;
}

/** An id as it is compared: trimmed, in lower case. */
export function idOf(value: Json | undefined): string | null {
  return typeof value === "string" ? value.trim().toLowerCase() : null;
}
