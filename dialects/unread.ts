import { isObject, type Json, type JsonObject } from "@/core/json.ts";

/**
 * What a decoder reads of a value: all of it, nothing, or of an object these members. Of a list each
 * item is read in that way.
 */
export type Reading = boolean | Shape | ((value: Json) => boolean | Shape);

/** The members of an object that are read, and what of each. */
export interface Shape {
  readonly [member: string]: Reading;
}

/** A shape of members that are read whole. */
export function wholly(...members: readonly string[]): Shape {
  return Object.fromEntries(members.map((member) => [member, true]));
}

/** Reads a text, and nothing else. */
export function isText(value: Json): boolean {
  return typeof value === "string";
}

/** Reads `true` and `false`, and nothing else. */
export function isSwitch(value: Json): boolean {
  return typeof value === "boolean";
}

/** What of an object is not read, each piece in its place; a member that is null says nothing. */
export function unread(value: JsonObject, shape: Shape): JsonObject {
  const rests: [string, Json][] = [];
  for (const key of Object.keys(value)) {
    const member = value[key] ?? null;
    if (member === null) continue;
    const rest = unreadOf(member, Object.hasOwn(shape, key) ? shape[key]! : false);
    if (rest !== undefined) rests.push([key, rest]);
  }
  return rests.length === 0 ? {} : Object.fromEntries(rests);
}

/** `undefined` when all of it is read. */
function unreadOf(value: Json, reading: Reading): Json | undefined {
  if (typeof reading === "boolean") return reading ? undefined : value;
  if (Array.isArray(value)) {
    const rests = value.map((item) => unreadOf(item, reading));
    return rests.every((rest) => rest === undefined) ? undefined : rests.map((rest) => rest ?? {});
  }
  if (typeof reading === "function") return unreadOf(value, reading(value));
  const rest = isObject(value) ? unread(value, reading) : {};
  return Object.keys(rest).length === 0 ? undefined : rest;
}

/** A written object with what was not read of the one it comes from, in its place. */
export function withUnread(written: JsonObject, rest: JsonObject | undefined): JsonObject {
  if (!rest) return written;
  const members = Object.entries(rest).flatMap(([key, member]) =>
    member === undefined ? [] : [[key, merged(written[key], member)]]
  );
  return { ...written, ...Object.fromEntries(members) };
}

function merged(written: Json | undefined, rest: Json): Json {
  if (isObject(written) && isObject(rest)) return withUnread(written, rest);
  if (!Array.isArray(written) || !Array.isArray(rest)) return rest;
  return written.map((item, index) => merged(item, rest[index] ?? item));
}
