import assert from "node:assert/strict";
import fc from "fast-check";
import type { ChatResponse, Finish, Message, Part, StreamEvent, Tool } from "@/core/chat.ts";
import { eventsOf, responseOf } from "@/core/chat_events.ts";
import { DIALECT_NAMES, type DialectName } from "@/core/dialect_name.ts";
import { stepAll } from "@/core/stream.ts";
import { lowerTools } from "@/core/tool_table.ts";
import { dialects } from "@/dialects/mod.ts";
import { chatRequestOf } from "./builders.ts";
import { plainTarget, wireOf } from "./dialect_target.ts";
import { assertEvents, saidBy } from "./neutral_grammar.ts";
import { assertStreamGrammar } from "./stream_grammar.ts";

const RUNS = { numRuns: 200, seed: 20261121 };
const CONTEXT = {
  callId: "0123456789abcdef0123456789abcdef",
  request: chatRequestOf({ stream: true, includeUsage: true }),
};

const words = fc.oneof(
  fc.string({ unit: "grapheme", minLength: 1, maxLength: 20 }),
  fc.constantFrom(
    "é",
    "日本",
    "👩‍👩‍👧",
    'a "quoted" \\ text',
    "line\nline",
    "\u2028",
    "data: x\n\n",
    "0",
  ),
);
const json = fc.dictionary(
  fc.string({ minLength: 1, maxLength: 6 }).filter((key) => key !== "__proto__"),
  fc.oneof(words, fc.integer(), fc.boolean(), fc.constant(null)),
  { maxKeys: 4 },
).map((value) => JSON.stringify(value));
const name = fc.stringMatching(/^[A-Za-z][A-Za-z0-9_-]{0,20}$/);

const extra = {};
const textPart = words.map((text): Part => ({ type: "text", text, extra }));
const reasoningPart = words.map((text): Part => ({
  type: "reasoning",
  text,
  summary: true,
  extra,
}));
const callPart = fc.record({ name, input: json }).map((call): Part => ({
  type: "tool_call",
  id: "",
  form: "function",
  ...call,
  extra,
}));

/** Calls have ids of their own. */
function numbered(parts: readonly Part[], prefix = "call"): Part[] {
  return parts.map((part, index) =>
    part.type === "tool_call" ? { ...part, id: `${prefix}_${index}` } : part
  );
}

const usage = { input: 12, output: 7, cachedInput: 3, cacheWrite: 0, image: 0, reasoning: 2 };

const responses: fc.Arbitrary<ChatResponse> = fc.record({
  parts: fc.array(fc.oneof(textPart, reasoningPart, callPart), { minLength: 1, maxLength: 6 })
    .map((parts) => numbered(parts)),
  cut: fc.boolean(),
}).map(({ parts, cut }) => {
  const calls = parts.some(({ type }) => type === "tool_call");
  const reason: Finish["reason"] = cut ? "length" : calls ? "tool_calls" : "stop";
  return {
    id: "x1",
    model: "up-1",
    createdAt: 7,
    parts,
    finish: { reason },
    usage,
    extra,
  };
});

/** The events of a reply in small deltas, those of calls interleaved in any way. */
function interleaved(reply: ChatResponse, turns: readonly number[]): StreamEvent[] {
  const [start, ...events] = eventsOf(reply);
  const end = events.pop();
  assert(start && end);
  const queues = reply.parts.map(({ type }, index) => ({
    isCall: type === "tool_call",
    events: events.filter((event) => "index" in event && event.index === index).flatMap(inPieces),
  }));
  const mixed: StreamEvent[] = [];
  let started = 0;
  let current = queues[0];
  for (let turn = 0; queues.some(({ events }) => events.length > 0); turn++) {
    const ready = queues.filter(({ events }, index) => events.length > 0 && index <= started);
    // Text and reasoning come in one piece each.
    const stays = current && !current.isCall && current.events.length > 0;
    if (!stays) current = ready[(turns[turn % turns.length] ?? 0) % ready.length];
    const event = current?.events.shift();
    assert(event);
    if (event.type === "part_start") started = event.index + 1;
    mixed.push(event);
  }
  return [start, ...mixed, end];
}

function inPieces(event: StreamEvent): StreamEvent[] {
  if (event.type !== "part_delta") return [event];
  return [...event.text].map((text) => ({ ...event, text }));
}

/** What no wire says is zero. */
function counts({ image, cacheWrite, ...rest }: ChatResponse["usage"]) {
  return { ...rest, image: image ?? 0, cacheWrite: cacheWrite ?? 0 };
}

for (const name of DIALECT_NAMES) {
  const dialect = dialects.get(name);

  Deno.test(`${name} stream of any reply, however interleaved, has its grammar and says all of it`, () => {
    fc.assert(
      fc.property(responses, fc.array(fc.nat(9), { minLength: 1 }), (reply, turns) => {
        const events = interleaved(reply, turns);
        assertEvents(events);
        const frames = stepAll(events, dialect.encodeStream(CONTEXT));
        assertStreamGrammar(name, frames);
        const read = responseOf(stepAll(frames, dialect.decodeStream()));
        assert(read);
        assert.deepEqual(saidBy(read), saidBy(reply));
        assert.equal(read.finish.reason, reply.finish.reason);
        assert.deepEqual(counts(read.usage), counts(reply.usage));
      }),
      RUNS,
    );
  });

  Deno.test(`${name} whole reply says all of any reply`, () => {
    fc.assert(
      fc.property(responses, (reply) => {
        const body = JSON.parse(JSON.stringify(dialect.encodeResponse(reply, CONTEXT)));
        const bytes = new TextEncoder().encode(JSON.stringify(body));
        const read = dialect.decodeResponse({ body, bytes });
        assert.deepEqual(inputsRead(saidBy(read)), inputsRead(saidBy(reply)));
        assert.equal(read.finish.reason, reply.finish.reason);
        assert.deepEqual(counts(read.usage), counts(reply.usage));
      }),
      RUNS,
    );
  });

  Deno.test(`${name} request holds any conversation`, () => {
    fc.assert(
      fc.property(conversations, tools, (messages, tools) => {
        const request = chatRequestOf({ model: "up-1", messages, tools });
        const lowered = lowerTools(request, dialect.toolLimits);
        const { body } = dialect.encodeRequest(lowered.request, plainTarget(name));
        const text = JSON.stringify(body);
        const again = dialect.encodeRequest(lowered.request, plainTarget(name));
        assert.equal(JSON.stringify(again.body), text);
        const { request: read, barriers } = dialect.decodeRequest(wireOf(text));
        assert.deepEqual(barriers, []);
        assert.deepEqual(spoken(read.messages), spoken(messages));
        assert.deepEqual(read.tools.map(toolText), tools.map(toolText));
      }),
      RUNS,
    );
  });

  Deno.test(`${name} request of a longer conversation begins with the shorter one`, () => {
    fc.assert(
      fc.property(conversations, (messages) => {
        const encode = (count: number) => {
          const request = chatRequestOf({ model: "up-1", messages: messages.slice(0, count) });
          return turnsOf(name, dialect.encodeRequest(request, plainTarget(name)).body);
        };
        const whole = encode(messages.length);
        for (const [index, message] of messages.entries()) {
          // A turn of the user may grow until the model has answered it.
          if (message.role !== "assistant") continue;
          const part = encode(index + 1);
          assert.deepEqual(whole.slice(0, part.length), part);
        }
      }),
      RUNS,
    );
  });
}

function inputsRead(said: ReturnType<typeof saidBy>) {
  const calls = said.calls.map((call) => ({ ...call, input: JSON.parse(call.input) }));
  return { ...said, calls };
}

const image: fc.Arbitrary<Part> = fc.constantFrom<Part>(
  { type: "image", source: { kind: "url", url: "https://a.example/b.png" }, extra },
  {
    type: "image",
    source: { kind: "base64", mediaType: "image/png", data: "iVBORw0KGgo=" },
    extra,
  },
);

/** A text that every wire takes in a turn. */
const turnText = textPart.filter((part) => part.type === "text" && part.text.trim() !== "");

/** A turn of the user; or one of the model, and the results of the calls it makes. */
const exchange = fc.record({
  asked: fc.array(fc.oneof({ weight: 3, arbitrary: turnText }, image), {
    minLength: 1,
    maxLength: 3,
  }),
  said: fc.array(fc.oneof(turnText, callPart), { minLength: 1, maxLength: 4 }),
  answers: fc.array(fc.tuple(words, fc.boolean()), { minLength: 4, maxLength: 4 }),
});

const conversations: fc.Arbitrary<readonly Message[]> = fc.array(exchange, {
  minLength: 1,
  maxLength: 4,
}).map((exchanges) => [
  ...exchanges.flatMap(({ asked, said, answers }, turn): Message[] => {
    const parts = numbered(textFirst(said), `call_${turn}`);
    const calls = parts.filter((part) => part.type === "tool_call");
    const results = calls.map((call, index): Message => {
      const [text = "", isError = false] = answers[index] ?? [];
      const inner: Part = { type: "text", text, extra };
      const result: Part = {
        type: "tool_result",
        callId: call.id,
        form: "function",
        parts: [inner],
        isError,
        extra,
      };
      return { role: "tool", parts: [result], extra };
    });
    return [
      { role: "user", parts: asked, extra },
      { role: "assistant", parts, extra },
      ...results,
    ];
  }),
  // A model's text at the very end would be a prefill.
  { role: "user", parts: [{ type: "text", text: "Go on", extra }], extra },
]);

/** Chat has one place for text and one for calls, in this order. */
function textFirst(parts: readonly Part[]): Part[] {
  return parts.toSorted((a, b) => Number(a.type === "tool_call") - Number(b.type === "tool_call"));
}

const tools: fc.Arbitrary<Tool[]> = fc.uniqueArray(name, { maxLength: 3 }).map((names) =>
  names.map((name): Tool => ({
    form: "function",
    name,
    description: `Does ${name}`,
    parameters: { type: "object", properties: { a: { type: "string" } } },
    extra,
  }))
);

function toolText(tool: Tool) {
  return tool.form === "function" ? [tool.name, tool.description, tool.parameters] : [];
}

/** What was said by whom, in order, without the seams between turns and parts of one speaker. */
function spoken(messages: readonly Message[]) {
  const pieces = messages.flatMap(({ role, parts }) =>
    parts.flatMap((part) => pieceOf(role, part))
  );
  const joined: { who: string; what: string; value: string }[] = [];
  for (const piece of pieces) {
    const last = joined.at(-1);
    if (last && last.what === "text" && piece.what === "text" && last.who === piece.who) {
      last.value += piece.value;
    } else joined.push({ ...piece });
  }
  return joined;
}

function pieceOf(role: string, part: Part) {
  const who = role === "tool" ? "user" : role;
  switch (part.type) {
    case "text":
      return [{ who, what: "text", value: part.text }];
    case "image":
      return [{ who, what: "image", value: JSON.stringify(part.source) }];
    case "tool_call": {
      const { id, name, input } = part;
      return [{ who, what: "call", value: JSON.stringify([id, name, JSON.parse(input)]) }];
    }
    case "tool_result": {
      const text = part.parts.map((inner) => inner.type === "text" ? inner.text : "").join("");
      // A wire without a flag says it in words.
      const said = text.replace(/^\[error\] /, "");
      return [{ who, what: "result", value: JSON.stringify([part.callId, said]) }];
    }
    default:
      return [];
  }
}

function turnsOf(dialect: DialectName, body: { readonly [key: string]: unknown }): unknown[] {
  const turns = body[dialect === "openai-responses" ? "input" : "messages"];
  assert(Array.isArray(turns));
  return turns;
}
