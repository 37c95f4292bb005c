import { isObject, type JsonObject } from "@/core/json.ts";
import { parseJson } from "@/core/parse_json.ts";

/** Reads the data of a frame; `null` when it is no JSON object. Never throws. */
export function frameJson(data: string): JsonObject | null {
  if (data.charCodeAt(0) !== 123 && !data.trimStart().startsWith("{")) return null;
  try {
    const value: unknown = parseJson(data);
    return isObject(value) ? value : null;
  } catch {
    return null;
  }
}

/** An error value of the wire as an object: a bare text becomes its message. */
export function faultOf(value: unknown): JsonObject {
  if (isObject(value)) return value;
  return typeof value === "string" ? { message: value } : {};
}
