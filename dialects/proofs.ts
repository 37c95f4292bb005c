import type { PartOf, Proof } from "@/core/chat.ts";
import type { DialectName } from "@/core/dialect_name.ts";
import { isObject, type Json, type JsonObject } from "@/core/json.ts";
import { parseJson } from "@/core/parse_json.ts";
import { type Shape, wholly } from "./unread.ts";

/** How a proof is marked where it stands among those of another dialect: by whose it is, and its kind. */
const PREFIXES = {
  signature: "anthropic:signature:",
  redacted: "anthropic:redacted:",
  call: "openai-chat:call:",
} as const;

/** Whether a reasoning part can go back to providers of a dialect. */
export type ProofStanding = "own" | "foreign" | "unsigned";

/** Whose proof a reasoning part holds, seen from a dialect. */
export function proofStanding(part: PartOf<"reasoning">, dialect: DialectName): ProofStanding {
  if (!part.proof) return "unsigned";
  return part.proof.dialect === dialect ? "own" : "foreign";
}

/** The `encrypted_content` of a Responses item that carries a proof of any dialect. */
export function encryptedContent(proof: Proof): string {
  return proof.kind === "encrypted" ? proof.value : PREFIXES[proof.kind] + proof.value;
}

/** Reads `encrypted_content`; `id` is that of its item. */
export function proofOfEncrypted(content: string, id?: string): Proof {
  const item = id === undefined ? {} : { id };
  for (const kind of ["signature", "redacted"] as const) {
    const prefix = PREFIXES[kind];
    if (content.startsWith(prefix)) {
      return { ...anthropicProof(kind, content.slice(prefix.length)), ...item };
    }
  }
  const own = { kind: "encrypted", dialect: "openai-responses", value: content } as const;
  return { ...markedCallProof(content) ?? own, ...item };
}

/** The `data` of a `redacted_thinking` block that carries a proof of a tool call. */
export function redactedData({ value }: Proof): string {
  return PREFIXES.call + value;
}

/** Reads the `data` of a `redacted_thinking` block. */
export function proofOfRedacted(data: string): Proof {
  return markedCallProof(data) ?? anthropicProof("redacted", data);
}

function markedCallProof(content: string): Proof | null {
  return content.startsWith(PREFIXES.call)
    ? { kind: "call", dialect: "openai-chat", value: content.slice(PREFIXES.call.length) }
    : null;
}

/**
 * What a Chat provider attached to a tool call, which it wants back with it: Gemini's thought
 * signatures, `null` for none.
 *
 * @see https://ai.google.dev/gemini-api/docs/thought-signatures
 */
export function callProof({ extra_content: attached }: JsonObject): Proof | null {
  if (!isObject(attached) || Object.keys(attached).length === 0) return null;
  return { kind: "call", dialect: "openai-chat", value: JSON.stringify(attached) };
}

/** The members of a tool call that give a proof back; `null` when it is not one of ours. */
export function callMembers({ kind, value }: Proof): JsonObject | null {
  if (kind !== "call") return null;
  try {
    const attached: unknown = parseJson(value);
    return isObject(attached) ? { extra_content: attached } : null;
  } catch {
    return null;
  }
}

/**
 * The entry of `reasoning_details` that shows a proof to a Chat caller; `text` is the reasoning it
 * signs. Redacted reasoning has data only, and `format` tells whose it is.
 */
export function reasoningDetail(proof: Proof, text: string): JsonObject {
  const { kind, value, id } = proof;
  if (kind === "signature") {
    return { type: "reasoning.text", text, signature: value, format: "anthropic" };
  }
  const own = kind === "redacted" ? { format: "anthropic" } : {};
  const data = kind === "call" ? encryptedContent(proof) : value;
  return { type: "reasoning.encrypted", ...(id !== undefined && { id }), data, ...own };
}

/**
 * Reads the `reasoning_details` of a Chat message back into reasoning parts, in order. Entries that
 * hold no reasoning of ours are left out.
 */
export function reasoningOfDetails(details: Json | undefined): PartOf<"reasoning">[] {
  return Array.isArray(details) ? details.filter(isObject).flatMap(readDetail) : [];
}

/** A proof that came from, or goes to, an Anthropic provider. */
export function anthropicProof(kind: "signature" | "redacted", value: string): Proof {
  return { kind, dialect: "anthropic", value };
}

/** What is read of an entry of `reasoning_details`; nothing of one that holds no reasoning of ours. */
export function detailShape(detail: Json): boolean | Shape {
  if (!isObject(detail) || readDetail(detail).length === 0) return false;
  if (detail["type"] === "reasoning.text") {
    const ours = detail["format"] === "anthropic";
    return { type: true, text: true, signature: ours, format: ours };
  }
  return wholly("type", "data", "id", "format");
}

function readDetail(detail: JsonObject): PartOf<"reasoning">[] {
  const { type, text, signature, data, id, format } = detail;
  if (type === "reasoning.text" && typeof text === "string") {
    const signed = typeof signature === "string" && signature !== "" && format === "anthropic";
    return [reasoning(text, signed ? anthropicProof("signature", signature) : null)];
  }
  if (type !== "reasoning.encrypted" || typeof data !== "string") return [];
  if (format === "anthropic") return [reasoning("", anthropicProof("redacted", data))];
  return [reasoning("", proofOfEncrypted(data, typeof id === "string" ? id : undefined))];
}

function reasoning(text: string, proof: Proof | null): PartOf<"reasoning"> {
  return { type: "reasoning", text, summary: false, ...(proof && { proof }), extra: {} };
}
