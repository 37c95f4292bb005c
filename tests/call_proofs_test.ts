import assert from "node:assert/strict";
import type { ChatResponse } from "@/core/chat.ts";
import { responseOf } from "@/core/chat_events.ts";
import type { DialectName } from "@/core/dialect_name.ts";
import { isObject, type Json, type JsonObject } from "@/core/json.ts";
import { stepAll } from "@/core/stream.ts";
import type { SseFrame, WireBody } from "@/core/wire.ts";
import { dialects } from "@/dialects/mod.ts";
import { crossed } from "./crossed.ts";
import { sent, wireOf } from "./dialect_target.ts";

const chat = dialects.get("openai-chat");
const CALLERS = ["anthropic", "openai-responses"] as const;
const SIGNATURES = ["EjQKMgEM+w==", "AY89a18I/w=="];

/** What Gemini says: two calls at a time without index, of which each or the first alone is signed. */
const CALLS: readonly JsonObject[] = [
  {
    id: "jm4owj31",
    type: "function",
    function: { name: "read", arguments: '{"path":"a"}' },
    extra_content: { google: { thought_signature: SIGNATURES[0] } },
  },
  {
    id: "k2",
    type: "function",
    function: { name: "read", arguments: '{"path":"b"}' },
    extra_content: { vertex: { thought_signature: SIGNATURES[1] } },
  },
  { id: "k3", type: "function", function: { name: "read", arguments: "{}" } },
];

const MESSAGE = { role: "assistant", content: "I look.", tool_calls: CALLS };
const WHOLE = {
  id: "g1",
  object: "chat.completion",
  created: 5,
  model: "gemini-3",
  choices: [{ index: 0, message: MESSAGE, finish_reason: "tool_calls" }],
};

function chunk(choice: JsonObject): SseFrame {
  return { event: "", data: JSON.stringify({ id: "g1", choices: [{ index: 0, ...choice }] }) };
}

const STREAM = [
  chunk({ delta: { role: "assistant", content: "I look." } }),
  ...CALLS.map((call) => chunk({ delta: { tool_calls: [call] } })),
  chunk({ delta: {}, finish_reason: "tool_calls" }),
];

function bodyOf(value: Json): WireBody {
  const bytes = new TextEncoder().encode(JSON.stringify(value));
  const body: Json = JSON.parse(new TextDecoder().decode(bytes));
  assert(isObject(body));
  return { body, bytes };
}

function contextOf(caller: DialectName) {
  const request = dialects.get(caller).decodeRequest(wireOf('{"messages":[],"input":"u"}')).request;
  return { callId: "0".repeat(32), request: { ...request, includeUsage: true } };
}

/** The reply as a caller reads it, whole and streamed. */
const REPLIES: readonly (readonly [string, (caller: DialectName) => ChatResponse])[] = [
  ["whole", (caller) => {
    const to = dialects.get(caller);
    return to.decodeResponse(
      bodyOf(to.encodeResponse(chat.decodeResponse(bodyOf(WHOLE)), contextOf(caller))),
    );
  }],
  ["streamed", (caller) => {
    const to = dialects.get(caller);
    const frames = stepAll(
      stepAll(STREAM, chat.decodeStream()),
      to.encodeStream(contextOf(caller)),
    );
    const reply = responseOf(stepAll(frames, to.decodeStream()));
    assert(reply);
    return reply;
  }],
];

/** The next turn of a caller that sends back what it got. */
function nextTurn(caller: DialectName, reply: ChatResponse): JsonObject {
  const written = dialects.get(caller).encodeResponse(reply, contextOf(caller));
  if (caller === "anthropic") {
    const results = CALLS.map(({ id }) => ({ type: "tool_result", tool_use_id: id, content: "r" }));
    return {
      model: "fast",
      max_tokens: 9,
      messages: [
        { role: "user", content: "u" },
        { role: "assistant", content: written["content"] },
        { role: "user", content: results },
      ],
    };
  }
  const { output } = written;
  const results = CALLS.map(({ id }) => ({
    type: "function_call_output",
    call_id: id,
    output: "r",
  }));
  assert(Array.isArray(output));
  return { model: "fast", input: [{ role: "user", content: "u" }, ...output, ...results] };
}

for (const caller of CALLERS) {
  for (const [form, replyFor] of REPLIES) {
    Deno.test(`${caller} caller gives back what signs each call of a ${form} Chat reply`, () => {
      const { body, events } = crossed(
        [caller, "openai-chat"],
        nextTurn(caller, replyFor(caller)),
      );
      assert.deepEqual(Object(body["messages"])[1], MESSAGE);
      assert(events.every(({ field }) => field !== "reasoning" && field !== "other"));
    });

    Deno.test(`what signs the calls of a ${form} Chat reply to ${caller} goes to no other dialect`, () => {
      const turn = nextTurn(caller, replyFor(caller));
      for (const signature of SIGNATURES) {
        assert(JSON.stringify(turn).includes(signature));
        assert(!sent(caller, JSON.stringify(turn)).includes(signature));
        for (const far of CALLERS.filter((name) => name !== caller)) {
          const { body, events } = crossed([caller, far], turn);
          assert(!JSON.stringify(body).includes(signature));
          assert(events.some(({ reason }) => reason === "foreign-proof"));
        }
      }
    });
  }
}

Deno.test("what signs a call is remembered as its provider's, whole and streamed", () => {
  const proofs = CALLS.flatMap((call) => call["extra_content"] ?? []).map((it) =>
    JSON.stringify(it)
  );
  assert.deepEqual(chat.readReply(bodyOf(WHOLE).body)?.proofs, proofs);
  const tap = chat.tap({ withholdUsage: false });
  for (const frame of STREAM) tap.read(frame);
  assert.deepEqual(tap.facts().proofs, proofs);
});

Deno.test("what signs a call stays with it when a Chat reply changes its form", () => {
  const context = contextOf("openai-chat");
  const collected = responseOf(stepAll(STREAM, chat.decodeStream()));
  assert(collected);
  const written = Object(chat.encodeResponse(collected, context)).choices[0].message;
  assert.deepEqual(written.tool_calls, CALLS);
  assert.equal(written.reasoning_details, undefined);
  const frames = stepAll(stepAll(STREAM, chat.decodeStream()), chat.encodeStream(context));
  const opened = frames.flatMap(({ data }) =>
    data.startsWith("{") ? JSON.parse(data).choices[0]?.delta.tool_calls ?? [] : []
  ).filter(({ id }) => id !== undefined);
  assert.deepEqual(
    opened.map((call) => call.extra_content),
    CALLS.map((call) => call["extra_content"]),
  );
});

Deno.test("what signs a call after it began, and content of Chat alone, leave a part that is told", () => {
  const late = chunk({ delta: { tool_calls: [{ id: "k3", extra_content: { google: {} } }] } });
  const own = chunk({ delta: { extra_content: { google: { thought_signature: "s" } } } });
  for (const frame of [late, own]) {
    const events = stepAll([...STREAM.slice(0, -1), frame, STREAM.at(-1)!], chat.decodeStream());
    const heads = events.flatMap((event) => event.type === "part_start" ? event.part.type : []);
    assert.equal(heads.filter((type) => type === "opaque").length, 1);
  }
  const message = { content: "a", images: [{ url: "data:" }], annotations: [], audio: null };
  const whole = { ...WHOLE, choices: [{ index: 0, message, finish_reason: "stop" }] };
  const { parts } = chat.decodeResponse(bodyOf(whole));
  assert.deepEqual(parts.map(({ type }) => type), ["text", "opaque"]);
});

Deno.test("a mark of a call's proof that holds no JSON object is left out", () => {
  const turn = {
    model: "fast",
    max_tokens: 9,
    messages: [
      { role: "user", content: "u" },
      {
        role: "assistant",
        content: [
          { type: "redacted_thinking", data: "openai-chat:call:{broken" },
          { type: "tool_use", id: "t", name: "f", input: {} },
        ],
      },
      { role: "user", content: [{ type: "tool_result", tool_use_id: "t", content: "r" }] },
    ],
  };
  const { body, events } = crossed(["anthropic", "openai-chat"], turn);
  assert(!JSON.stringify(body).includes("broken"));
  assert.deepEqual(events.map(({ field, reason }) => `${field} ${reason}`), [
    "reasoning foreign-proof",
  ]);
});
