import { hash } from "node:crypto";
import type { Call } from "../call.ts";
import type { CacheScope, Group } from "../snapshot.ts";

/** Members of a body that do not change what is answered. */
const IGNORED = ["model", "metadata", "user", "safety_identifier", "prompt_cache_key"] as const;
const HEADERS = ["anthropic-version", "anthropic-beta", "openai-beta"] as const;

/**
 * The key of a request: SHA-256 over fields with their lengths, so that different requests never meet.
 * The bytes are taken as they are, without the values of members that change nothing.
 */
export function cacheKey(call: Call, group: Group): string {
  const fields = [
    "c1",
    scopeId(call, group.cache.scope),
    group.name,
    group.fingerprint,
    call.dialect.name,
    ...HEADERS.map((name) => call.headers.get(name) ?? ""),
  ];
  const pieces = piecesOf(call);
  const head = encoder.encode([
    ...fields.map((field) => `${field.length}:${field}`),
    ...pieces.map(({ length }) => `${length}:`),
  ].join(""));
  // Hashed at once: each step of a hash costs about as much as all of it.
  const bytes = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, head.length));
  bytes.set(head);
  let at = head.length;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return hash("sha256", bytes, "hex");
}

const encoder = new TextEncoder();

/** Who may be given the answer of whom. */
function scopeId({ credential: { caller } }: Call, scope: CacheScope): string {
  switch (scope) {
    case "caller":
      return `caller:${caller.id}`;
    case "project":
      return `project:${caller.project}`;
    case "group":
      return "group";
  }
}

/** The body between the values that change nothing. */
function piecesOf({ wire }: Call): readonly Uint8Array[] {
  if (!wire) return [];
  const spans = IGNORED.flatMap((name) => wire.members.get(name) ?? [])
    .toSorted((a, b) => a.start - b.start);
  const found: Uint8Array[] = [];
  let from = 0;
  for (const { start, end } of spans) {
    found.push(wire.bytes.subarray(from, start));
    from = end;
  }
  return [...found, wire.bytes.subarray(from)];
}
