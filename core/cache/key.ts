import { createHash } from "node:crypto";
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
  const hash = createHash("sha256");
  const add = (field: string | Uint8Array) => {
    const bytes = typeof field === "string" ? encoder.encode(field) : field;
    hash.update(`${bytes.length}:`).update(bytes);
  };
  add("c1");
  add(scopeId(call, group.cache.scope));
  add(group.name);
  add(group.fingerprint);
  add(call.dialect.name);
  for (const name of HEADERS) add(call.headers.get(name) ?? "");
  for (const piece of pieces(call)) add(piece);
  return hash.digest("hex");
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
function pieces({ wire }: Call): readonly Uint8Array[] {
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
