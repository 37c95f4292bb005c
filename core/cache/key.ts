import { hash } from "node:crypto";
import type { Call } from "../call.ts";
import type { CacheScope, Group } from "../snapshot.ts";
import type { Member, WireRequest } from "../wire.ts";

/** Members of a body that do not change what is answered. */
const IGNORED = ["model", "metadata", "user", "safety_identifier", "prompt_cache_key"] as const;
const HEADERS = ["anthropic-version", "anthropic-beta", "openai-beta"] as const;

/**
 * The key of a request: SHA-256 over fields with their lengths, so that different requests never meet.
 * The bytes are taken as they are, without the values of members that change nothing.
 */
export function cacheKey(call: Call, group: Group): string {
  const { bytes: body, members } = call.wire ?? NOTHING;
  const spans: Member[] = [];
  for (const name of IGNORED) {
    const span = members.get(name);
    if (span) spans.push(span);
  }
  spans.sort((a, b) => a.start - b.start);
  const head = headOf(call, group, spans);
  // Hashed at once: each step of a hash costs about as much as all of it.
  const bytes = new Uint8Array(3 * head.length + body.length);
  let length = encoder.encodeInto(head, bytes).written;
  let from = 0;
  for (const { start, end } of spans) {
    bytes.set(body.subarray(from, start), length);
    length += start - from;
    from = end;
  }
  bytes.set(from === 0 ? body : body.subarray(from), length);
  return hash("sha256", bytes.subarray(0, length + body.length - from), "hex");
}

const encoder = new TextEncoder();
const NOTHING: Pick<WireRequest, "bytes" | "members"> = {
  bytes: new Uint8Array(),
  members: new Map(),
};

/** Everything but the body, and where the pieces of that end. */
function headOf(call: Call, group: Group, spans: readonly Member[]): string {
  let head = "2:c1" + field(scopeId(call, group.cache.scope)) + field(group.name) +
    field(group.fingerprint) + field(call.dialect.name);
  for (const name of HEADERS) head += field(call.headers.get(name) ?? "");
  let from = 0;
  for (const { start, end } of spans) {
    head += `${start - from}:`;
    from = end;
  }
  return `${head}|`;
}

/** With its length, so that no two lists of fields read alike. */
function field(text: string): string {
  return `${text.length}:${text}`;
}

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
