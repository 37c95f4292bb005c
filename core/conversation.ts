import { hash } from "node:crypto";
import type { JsonObject } from "./json.ts";
import { isObject } from "./json.ts";
import type { StateStore } from "./state_store.ts";

/** Where a conversation's key comes from. */
export type ConversationKeySource = "header" | "metadata" | "body" | "first_turn" | "anonymous";

/** A conversation, by a key that says nothing about it; `null` when there is nothing to know it by. */
export interface Conversation {
  readonly key: string | null;
  readonly source: ConversationKeySource;
}

/** What a conversation is told by. */
export interface ConversationFacts {
  readonly headers: Headers;
  /** Name of the header that may name it. */
  readonly header: string;
  readonly body: JsonObject;
  /** Two callers never share a conversation, two groups neither. */
  readonly callerId: string;
  readonly group: string;
  readonly salt: string;
}

const METADATA = ["conversation_id", "conversationId", "session_id", "sessionId"];
const BODY = ["conversation", "prompt_cache_key"];
const EXPLICIT = /^[A-Za-z0-9._:-]{1,128}$/;

/**
 * The key of a call's conversation: an explicit one where the caller gives it, else a hash of how
 * the conversation begins (system text and first user message, in whatever dialect).
 */
export function conversationOf(facts: ConversationFacts): Conversation {
  const { headers, header, body } = facts;
  const metadata = isObject(body["metadata"]) ? body["metadata"] : {};
  const explicit = (values: readonly unknown[]) =>
    values.find((value): value is string => typeof value === "string" && EXPLICIT.test(value));
  const found = ([
    ["header", explicit([headers.get(header)])],
    ["metadata", explicit(METADATA.map((name) => metadata[name]))],
    ["body", explicit(BODY.map((name) => body[name]))],
    ["first_turn", firstTurn(body)],
  ] as const).find(([, value]) => value !== undefined);
  if (found?.[1] === undefined) return { key: null, source: "anonymous" };
  const [source, value] = found;
  return { key: keyOf(facts, source, value), source };
}

/** The salt that every process with this state uses: made by the first. */
export function keptSalt(state: StateStore): Promise<string> {
  const salt = crypto.getRandomValues(new Uint8Array(16)).toHex();
  return state.keep("conversation_salt", salt);
}

function keyOf(
  { salt, callerId, group }: ConversationFacts,
  source: string,
  value: string,
): string {
  const text = [salt, callerId, group, source, value].join("\0");
  return `ck_${hash("sha256", text, "hex").slice(0, 32)}`;
}

/** Where the three wire formats have the words that a conversation begins with. */
function firstTurn(body: JsonObject): string | undefined {
  const system = body["system"] ?? body["instructions"] ?? null;
  const turns = body["messages"] ?? body["input"];
  if (typeof turns === "string") return JSON.stringify([system, turns]);
  if (!Array.isArray(turns)) return undefined;
  const first = turns.findIndex((turn) => isObject(turn) && turn["role"] === "user");
  return first < 0 ? undefined : JSON.stringify([system, turns.slice(0, first + 1)]);
}
