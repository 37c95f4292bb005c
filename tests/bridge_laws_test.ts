import assert from "node:assert/strict";
import type { ChatRequest, ChatResponse, StreamEvent } from "@/core/chat.ts";
import { responseOf } from "@/core/chat_events.ts";
import type { Dialect, ReplyContext } from "@/core/dialect.ts";
import { DIALECT_NAMES, type DialectName } from "@/core/dialect_name.ts";
import type { JsonObject } from "@/core/json.ts";
import { stepAll } from "@/core/stream.ts";
import { type LoweredTools, lowerTools } from "@/core/tool_table.ts";
import type { WireBody } from "@/core/wire.ts";
import { dialects } from "@/dialects/mod.ts";
import { plainTarget, wireOf } from "./dialect_target.ts";
import { assertEvents, type Said, saidBy } from "./neutral_grammar.ts";
import { framesOf, type Recording, recordings } from "./recordings.ts";
import { assertStreamGrammar } from "./stream_grammar.ts";

const CALL_ID = "0123456789abcdef0123456789abcdef";

function contextOf(request: ChatRequest): ReplyContext {
  return { callId: CALL_ID, request };
}

function wireBody(body: JsonObject): WireBody {
  const bytes = new TextEncoder().encode(JSON.stringify(body));
  return { body: JSON.parse(new TextDecoder().decode(bytes)), bytes };
}

/** The neutral events of a recorded stream. */
function eventsOf(dialect: Dialect, { reply }: Recording): StreamEvent[] {
  return stepAll(framesOf(reply), dialect.decodeStream());
}

function replyOf(dialect: Dialect, { reply }: Recording): ChatResponse {
  return dialect.decodeResponse({
    bytes: reply,
    body: JSON.parse(new TextDecoder().decode(reply)),
  });
}

/** Usage and finish in the terms that a caller's dialect has. */
interface Ended {
  readonly finish: string;
  readonly input: number;
  readonly output: number;
  readonly cachedInput: number;
}

function endOf({ finish, usage }: ChatResponse): Ended {
  return {
    finish: finish.reason,
    input: usage.input ?? 0,
    output: usage.output ?? 0,
    cachedInput: usage.cachedInput ?? 0,
  };
}

/** What a reply says once a caller's dialect has said it: Messages says a refusal as text, too. */
function sayable(said: Said, caller: DialectName): Said {
  return caller === "anthropic" ? { ...said, text: said.text + said.refusal } : said;
}

/** Calls by the meaning of their arguments: a whole Messages reply holds them as objects. */
function withObjects(said: Said): Said {
  const calls = said.calls.map((call) => ({ ...call, input: JSON.parse(call.input || "{}") }));
  return { ...said, calls };
}

/** How a finish reads once a caller's dialect has said it. */
function finishFor(reason: string, caller: DialectName): string {
  const told: Partial<Record<DialectName, Record<string, string>>> = {
    "openai-chat": { stop_sequence: "stop", context_full: "length", pause: "stop" },
    "openai-responses": { stop_sequence: "stop", context_full: "length", pause: "stop" },
  };
  return told[caller]?.[reason] ?? reason;
}

for (const target of DIALECT_NAMES) {
  for (const recording of recordings(target)) {
    const from = dialects.get(target);
    const { request } = from.decodeRequest(wireOf(recording.request));
    for (const caller of DIALECT_NAMES.filter((name) => name !== target)) {
      // A caller that cannot offer free text tools never gets a call of one.
      if (caller === "anthropic" && request.tools.some(({ form }) => form === "custom")) continue;
      const title = `${caller}>${target}/${recording.name}`;
      if (recording.streamed) testStream({ title, from, caller, recording, request });
      else testUnary({ title, from, caller, recording, request });
    }
  }
}

interface Subject {
  readonly title: string;
  readonly from: Dialect;
  readonly caller: DialectName;
  readonly recording: Recording;
  readonly request: ChatRequest;
}

function testUnary({ title, from, caller, recording, request }: Subject): void {
  Deno.test(`${title}: a whole reply says the same to the caller`, () => {
    const to = dialects.get(caller);
    const reply = replyOf(from, recording);
    const read = to.decodeResponse(wireBody(to.encodeResponse(reply, contextOf(request))));
    assert.deepEqual(withObjects(saidBy(read)), withObjects(sayable(saidBy(reply), caller)));
    assert.deepEqual(endOf(read), {
      ...endOf(reply),
      finish: finishFor(reply.finish.reason, caller),
    });
    const facts = to.readReply(to.encodeResponse(reply, contextOf(request)));
    assert.equal(facts?.usage?.input ?? 0, reply.usage.input ?? 0, "shown is what was settled");
    assert.equal(facts?.toolCalls, saidBy(reply).calls.length);
  });

  Deno.test(`${title}: a whole reply crosses there and back`, () => {
    const to = dialects.get(caller);
    const reply = replyOf(from, recording);
    const there = to.decodeResponse(wireBody(to.encodeResponse(reply, contextOf(request))));
    const back = from.decodeResponse(wireBody(from.encodeResponse(there, contextOf(request))));
    const said = sayable(sayable(saidBy(reply), caller), from.name);
    assert.deepEqual(withObjects(saidBy(back)), withObjects(said));
  });
}

function testStream({ title, from, caller, recording, request }: Subject): void {
  const to = dialects.get(caller);
  const write = (events: readonly StreamEvent[]) =>
    stepAll(events, to.encodeStream(contextOf({ ...request, includeUsage: true })));

  Deno.test(`${title}: a stream says the same to the caller, in its grammar`, () => {
    const events = eventsOf(from, recording);
    assertEvents(events);
    const reply = responseOf(events)!;
    const frames = write(events);
    if (reply.finish.error) {
      assert.doesNotMatch(frames.map(({ event, data }) => event + data).join(), TERMINAL);
      return;
    }
    assertStreamGrammar(caller, frames);
    const read = responseOf(stepAll(frames, to.decodeStream()))!;
    assert.deepEqual(saidBy(read), sayable(saidBy(reply), caller));
    assert.deepEqual(endOf(read), {
      ...endOf(reply),
      finish: finishFor(reply.finish.reason, caller),
    });
    const tap = to.tap({ withholdUsage: false });
    for (const frame of frames) tap.read(frame);
    assert(tap.complete());
    assert.equal(tap.facts().usage?.output ?? 0, reply.usage.output ?? 0);
  });

  Deno.test(`${title}: each content event is written before the next is read`, () => {
    const encoder = to.encodeStream(contextOf(request));
    const decoder = from.decodeStream();
    const open = new Set<number>();
    for (const frame of framesOf(recording.reply)) {
      for (const event of decoder.step(frame)) {
        if (event.type === "part_start") open.add(event.index);
        if (event.type === "part_end") open.delete(event.index);
        const written = [...encoder.step(event)];
        // Only one part at a time has a place on some wires; what belongs to it is never held back.
        if (event.type === "part_delta" && event.text !== "" && open.size === 1) {
          assert(written.length > 0, `${JSON.stringify(event)} was held back`);
        }
      }
    }
  });

  Deno.test(`${title}: a stream cut anywhere never looks finished`, () => {
    const frames = framesOf(recording.reply);
    for (let cut = 0; cut < frames.length; cut++) {
      const events = stepAll(frames.slice(0, cut), from.decodeStream());
      assertEvents(events);
      const end = events.at(-1);
      if (end?.type === "message_end" && end.finish.reason !== "error") continue;
      const text = write(events).map(({ event, data }) => event + data).join();
      assert.doesNotMatch(text, TERMINAL);
    }
  });
}

const TERMINAL = /message_stop|response\.(completed|incomplete)|\[DONE\]|"finish_reason":"/;

for (const caller of DIALECT_NAMES) {
  for (const recording of recordings(caller)) {
    for (const target of DIALECT_NAMES.filter((name) => name !== caller)) {
      testRequest(caller, target, recording);
    }
  }
}

function testRequest(caller: DialectName, target: DialectName, recording: Recording): void {
  const title = `${caller}/${recording.name} request to ${target}`;
  const from = dialects.get(caller);
  const to = dialects.get(target);
  const lowered = (): LoweredTools => {
    const { request } = from.decodeRequest(wireOf(recording.request));
    return lowerTools({ ...request, model: "up-1" }, to.toolLimits);
  };
  const encode = () => to.encodeRequest(lowered().request, plainTarget(target)).body;

  Deno.test(`${title} is the same each time`, () => {
    assert.equal(JSON.stringify(encode()), JSON.stringify(encode()));
  });

  Deno.test(`${title} keeps tools, calls, results and images`, () => {
    const sent = lowered().request;
    const { request: read } = to.decodeRequest(wireOf(JSON.stringify(encode())));
    assert.deepEqual(toolsOf(read), toolsOf(sent));
    assert.deepEqual(piecesOf(read), piecesOf(sent));
  });
}

function toolsOf({ tools }: ChatRequest) {
  return tools.flatMap((tool) =>
    tool.form === "function"
      ? [[tool.name, tool.parameters ?? { type: "object", properties: {} }]]
      : []
  );
}

/** Calls, results and images of a request, wherever they stand. */
function piecesOf({ messages }: ChatRequest) {
  const parts = messages.flatMap((message) => message.parts);
  const inner = parts.flatMap((part) =>
    part.type === "tool_result" ? [part, ...part.parts] : [part]
  );
  return {
    calls: inner.flatMap((part) =>
      part.type === "tool_call" ? [[part.id, part.name, JSON.parse(part.input || "{}")]] : []
    ),
    results: inner.flatMap((part) => part.type === "tool_result" ? [part.callId] : []),
    images: inner.flatMap((part) => part.type === "image" ? [part.source] : []),
  };
}
