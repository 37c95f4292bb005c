import assert from "node:assert/strict";
import { type ConversationFacts, conversationOf } from "@/core/conversation.ts";

const facts = (changes: Partial<ConversationFacts> = {}): ConversationFacts => ({
  header: "x-router-session",
  headers: new Headers(),
  body: {},
  callerId: "ci",
  group: "fast",
  salt: "s",
  ...changes,
});

const user = (content: string) => ({ role: "user", content });
const CHAT = { messages: [{ role: "system", content: "Be kind" }, user("Hello")] };

const SOURCES: readonly (readonly [string, Partial<ConversationFacts>])[] = [
  ["header", {
    headers: new Headers({ "x-router-session": "a" }),
    body: { ...CHAT, metadata: { session_id: "b" } },
  }],
  ["metadata", { body: { ...CHAT, metadata: { sessionId: "a" }, prompt_cache_key: "b" } }],
  ["body", { body: { ...CHAT, prompt_cache_key: "a" } }],
  ["first_turn", { body: CHAT }],
  ["first_turn", { body: { system: "Be kind", messages: [user("Hello")] } }],
  ["first_turn", { body: { instructions: "Be kind", input: "Hello" } }],
  ["first_turn", { body: { ...CHAT, prompt_cache_key: "two words" } }],
  ["anonymous", { body: { messages: [] } }],
];

for (const [index, [source, changes]] of SOURCES.entries()) {
  Deno.test(`conversation ${index + 1} is known by ${source}`, () => {
    const found = conversationOf(facts(changes));
    assert.equal(found.source, source);
    if (source === "anonymous") assert.equal(found.key, null);
    else assert.match(found.key ?? "", /^ck_[0-9a-f]{32}$/);
  });
}

Deno.test("conversation keeps its key while it grows", () => {
  const later = {
    messages: [...CHAT.messages, { role: "assistant", content: "Hi" }, user("More")],
  };
  assert.deepEqual(conversationOf(facts({ body: later })), conversationOf(facts({ body: CHAT })));
});

Deno.test("conversation has another key for each beginning, caller, group and salt", () => {
  const all = [
    {},
    { body: { messages: [user("Bye")] } },
    { callerId: "cd" },
    { group: "slow" },
    { salt: "t" },
  ].map((changes) => conversationOf(facts({ body: CHAT, ...changes })).key);
  assert.equal(new Set(all).size, all.length);
});
