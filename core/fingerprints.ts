import { createHmac } from "node:crypto";
import { memo } from "./memo.ts";

/** Names texts so that equal ones are known again, and nobody can tell or guess what they say. */
export interface Fingerprints {
  /** The first 32 hex digits of HMAC-SHA-256. */
  of(text: string): string;
}

/** Texts that are remembered: shapes and tools come again with each call of an agent. */
const MAX_TEXTS = 256;
const MAX_CHARS = 16_384;

/** Builds fingerprints with a key of 32 bytes. */
export function createFingerprints(key: Uint8Array): Fingerprints {
  const made = (text: string) => createHmac("sha256", key).update(text).digest("hex").slice(0, 32);
  const known = memo(made, MAX_TEXTS);
  return { of: (text) => text.length > MAX_CHARS ? made(text) : known(text) };
}
