import { Buffer } from "node:buffer";
import { isObject, type Json } from "@/core/json.ts";

/** UTF-8 bytes of a text; 0 for anything else. */
export function utf8Bytes(value: Json | undefined): number {
  return typeof value === "string" ? Buffer.byteLength(value) : 0;
}

/** UTF-8 bytes of content that is a text or a list of parts with `text`. */
export function textBytes(value: Json | undefined): number {
  if (!Array.isArray(value)) return utf8Bytes(value);
  return value.reduce<number>(
    (sum, part) => sum + utf8Bytes(isObject(part) ? part["text"] : part),
    0,
  );
}
