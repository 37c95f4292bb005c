import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import fc from "fast-check";
import type { ChatRequest, ChatResponse, StreamEvent } from "@/core/chat.ts";
import { responseOf } from "@/core/chat_events.ts";
import type { Dialect, ReplyFacts } from "@/core/dialect.ts";
import { DIALECT_NAMES } from "@/core/dialect_name.ts";
import { GatewayError } from "@/core/errors.ts";
import { isObject, type Json, type JsonObject } from "@/core/json.ts";
import { stepAll } from "@/core/stream.ts";
import { lowerTools } from "@/core/tool_table.ts";
import { NO_USAGE, type UsageReport } from "@/core/usage.ts";
import type { SseFrame, WireBody } from "@/core/wire.ts";
import { dialects } from "@/dialects/mod.ts";
import { plainTarget, wireOf } from "./dialect_target.ts";
import { assertEvents, saidBy } from "./neutral_grammar.ts";
import { drip, framesOf, type Recording, recordings } from "./recordings.ts";
import { assertStreamGrammar } from "./stream_grammar.ts";

const CALL_ID = "0123456789abcdef0123456789abcdef";
const CHUNK_SIZES = [1, 2, 3, 7, 64] as const;
const EFFORTS = ["none", "minimal", "low", "medium", "high", "xhigh", "max"];

/** A target that limits nothing. */
const targetOf = (dialect: Dialect) => {
  const own = ["tools", "tool_choice", "parallel_tool_calls", "structured_outputs", "hosted_tools"];
  return plainTarget(dialect.name, {
    model: "fast",
    toolSupport: { "anthropic": own, "openai-chat": own, "openai-responses": own },
    reasoning: { efforts: EFFORTS, defaultOn: true, streamBlock: "reasoning_content" },
  });
};

interface Subject {
  readonly title: string;
  readonly dialect: Dialect;
  readonly recording: Recording;
}

for (const name of DIALECT_NAMES) {
  const dialect = dialects.get(name);
  for (const recording of recordings(name)) {
    const subject = { title: `${name}/${recording.name}`, dialect, recording };
    testRequest(subject);
    for (const to of dialects.items) testPrefix(subject, to);
    if (recording.streamed) testStream(subject);
    else testReply(subject);
  }
  testFuzz(dialect);
}

function testRequest({ title, dialect, recording }: Subject): void {
  const decoded = () => dialect.decodeRequest(wireOf(recording.request));

  Deno.test(`${title}: a request that is written and read again is the same`, () => {
    const { request, barriers } = decoded();
    const { body } = dialect.encodeRequest(request, targetOf(dialect));
    const again = dialect.decodeRequest(wireOf(JSON.stringify(body)));
    // Usage is always asked of a Chat stream, whatever its caller said.
    const includeUsage = request.includeUsage || request.stream;
    assert.deepEqual(again.request, { ...request, includeUsage });
    assert.deepEqual(again.barriers, barriers);
  });

  Deno.test(`${title}: a request is read as plain data, and only read`, () => {
    const wire = wireOf(recording.request);
    const before = structuredClone(wire.body);
    const { request } = dialect.decodeRequest(wire);
    const copy = structuredClone(request);
    dialect.encodeRequest(request, targetOf(dialect));
    assert.deepEqual(wire.body, before);
    assert.deepEqual(request, copy);
  });
}

/** Turns as a target gets them; the last one may still grow. */
function turnsFor(dialect: Dialect, request: ChatRequest): readonly Json[] {
  const { body } = dialect.encodeRequest(
    lowerTools(request, dialect.toolLimits).request,
    targetOf(dialect),
  );
  const turns = body["messages"] ?? body["input"];
  return Array.isArray(turns) ? turns : [];
}

function testPrefix({ title, dialect, recording }: Subject, to: Dialect): void {
  const { request } = dialect.decodeRequest(wireOf(recording.request));
  const first = request.messages.findIndex(({ role }) => role === "user" || role === "assistant");
  if (request.messages.length < first + 2) return;

  Deno.test(`${title}: each turn to ${to.name} begins with the bytes of the turn before`, () => {
    const whole = turnsFor(to, request).map((turn) => JSON.stringify(turn));
    for (let count = first + 1; count < request.messages.length; count++) {
      const part = turnsFor(to, { ...request, messages: request.messages.slice(0, count) });
      const sent = part.map((turn) => JSON.stringify(turn)).slice(0, -1);
      assert.deepEqual(sent, whole.slice(0, sent.length));
    }
  });
}

function testReply({ title, dialect, recording }: Subject): void {
  const wire = wireBodyOf(recording.reply);

  Deno.test(`${title}: a reply that is written and read again is the same`, () => {
    const reply = dialect.decodeResponse(wire);
    const written = dialect.encodeResponse(reply, contextOf(dialect, recording));
    assert(dialect.readReply(written), "what is written is a reply");
    const again = dialect.decodeResponse(wireBodyOf(JSON.stringify(written)));
    assert.deepEqual(counted(again), counted(reply));
  });

  Deno.test(`${title}: a reply has the facts that are read of it as it passes`, () => {
    assertFacts(dialect, dialect.decodeResponse(wire), dialect.readReply(wire.body));
  });
}

function testStream({ title, dialect, recording }: Subject): void {
  const frames = framesOf(recording.reply);
  const events = stepAll(frames, dialect.decodeStream());
  const whole = responseOf(events);
  assert(whole, title);

  Deno.test(`${title}: its events follow the grammar`, () => assertEvents(events));

  Deno.test(`${title}: any split gives the same events`, () => {
    for (const size of CHUNK_SIZES) {
      const split = framesOf(...drip(recording.reply, size));
      assert.deepEqual(stepAll(split, dialect.decodeStream()), events);
    }
  });

  Deno.test(`${title}: event names, pings, unknown events and a bad frame change no event`, () => {
    const noise = [
      { event: "", data: "" },
      { event: "ping", data: '{"type":"ping"}' },
      { event: "news", data: '{"type":"news.today","choices":[]}' },
    ];
    const noisy = frames.flatMap(({ data }) => [...noise, { event: "", data }]);
    assert.deepEqual(stepAll(noisy, dialect.decodeStream()), events);
    const bad = [{ event: "", data: "{broken" }, { event: "", data: "no JSON" }];
    const [first, ...more] = frames.filter(({ data }) => data !== "");
    const broken = [...bad, first!, ...bad, ...more];
    assert.deepEqual(stepAll(broken, dialect.decodeStream()), events);
  });

  Deno.test(`${title}: the first end is the last event`, () => {
    const decoder = dialect.decodeStream();
    assert.deepEqual([...frames, ...frames].flatMap((frame) => [...decoder.step(frame)]), [
      ...stepWithoutEnd(dialect, frames),
    ]);
    assert.equal(events.filter(({ type }) => type === "message_end").length, 1);
  });

  Deno.test(`${title}: its events have the facts that are read of it as it passes`, () => {
    const tap = dialect.tap({ withholdUsage: false });
    for (const frame of frames) tap.read(frame);
    assert.equal(whole.finish.reason === "error", !tap.complete());
    if (tap.complete()) assertFacts(dialect, whole, tap.facts());
  });

  Deno.test(`${title}: a cut before the end is an error, and what came is what was sent`, () => {
    for (let cut = 0; cut < frames.length; cut++) {
      const tap = dialect.tap({ withholdUsage: false });
      for (const frame of frames.slice(0, cut)) tap.read(frame);
      const part = stepAll(frames.slice(0, cut), dialect.decodeStream());
      assertEvents(part);
      const end = part.at(-1);
      assert(end?.type === "message_end");
      assert.equal(end.finish.reason === "error", !tap.complete(), `cut at ${cut}`);
      assert.equal(end.finish.error === undefined, tap.complete());
    }
  });

  Deno.test(`${title}: three frames in a row that are no JSON end it as an error`, () => {
    const bad = Array.from({ length: 3 }, () => ({ event: "", data: "{broken" }));
    const end = stepAll([...bad, ...frames], dialect.decodeStream()).at(-1);
    assert(end?.type === "message_end");
    assert.equal(end.finish.error?.class, "upstream_bad_response");
  });

  Deno.test(`${title}: written and read again it says the same, in its grammar`, () => {
    const context = contextOf(dialect, recording);
    const writer = dialect.encodeStream({
      ...context,
      request: { ...context.request, includeUsage: true },
    });
    const written = stepAll(events, writer);
    if (whole.finish.reason === "error") {
      const failed = [...written, ...writer.fail(new GatewayError("upstream-failed", "No"), "r")];
      const end = stepAll(failed, dialect.decodeStream()).at(-1);
      return assert(end?.type === "message_end" && end.finish.error, "a failure is one");
    }
    assertStreamGrammar(dialect.name, written);
    const again = responseOf(stepAll(written, dialect.decodeStream()));
    assert(again);
    assert.deepEqual(saidBy(again), saidBy(whole));
    assert.deepEqual(kindsOf(again), kindsOf(whole));
    const { finish, usage } = counted(whole);
    assert.deepEqual([counted(again).finish, counted(again).usage], [finish, usage]);
  });
}

/** Bodies that are almost what callers send, and streams that are almost what providers send. */
function testFuzz(dialect: Dialect): void {
  const all = recordings(dialect.name);
  const bodies = all.map(({ request }) => wireOf(request).body);
  const streams = all.filter(({ streamed }) => streamed).map(({ reply }) => framesOf(reply));

  Deno.test(`${dialect.name}: a body with any value anywhere is read or refused by name`, () => {
    fc.assert(
      fc.property(fc.constantFrom(...bodies), fc.nat(), fc.jsonValue(), (body, at, value) => {
        const changed = replaced(body, at, value);
        const wire = wireOf(JSON.stringify(changed));
        if (!isGood(() => dialect.features(wire))) return;
        if (!isGood(() => dialect.decodeRequest(wire))) return;
        const { request } = dialect.decodeRequest(wire);
        isGood(() => JSON.stringify(dialect.encodeRequest(request, targetOf(dialect)).body));
      }),
      { seed: 7, numRuns: 1_500 },
    );
  });

  Deno.test(`${dialect.name}: a stream with any value anywhere ends once and never throws`, () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...streams),
        fc.nat(),
        fc.nat(),
        fc.jsonValue(),
        (frames, which, at, value) => {
          const changed = frames.map(({ event, data }, index) =>
            index === which % frames.length && data.startsWith("{")
              ? { event, data: JSON.stringify(replaced(JSON.parse(data), at, value)) }
              : { event, data }
          );
          assertEvents(stepAll(changed, dialect.decodeStream()));
        },
      ),
      { seed: 7, numRuns: 1_500 },
    );
  });
}

/** A body with one value, counted in depth-first order, replaced. */
function replaced(body: JsonObject, at: number, value: unknown): JsonObject {
  const copy = structuredClone(body);
  const places: (readonly [object, string])[] = [];
  const walk = (holder: unknown): void => {
    if (typeof holder !== "object" || holder === null) return;
    for (const [key, inner] of Object.entries(holder)) {
      places.push([holder, key]);
      walk(inner);
    }
  };
  walk(copy);
  const place = places[at % places.length];
  if (place) Reflect.set(...place, value);
  return copy;
}

/** Whether it succeeds; it may refuse, but in no other way. */
function isGood(run: () => unknown): boolean {
  try {
    run();
    return true;
  } catch (error) {
    if (error instanceof GatewayError && error.status === 400) return false;
    throw error;
  }
}

function assertFacts(dialect: Dialect, reply: ChatResponse, facts: ReplyFacts | null): void {
  assert(facts);
  const { text, refusal, reasoning, calls } = saidBy(reply);
  // Messages explains a refusal beside its content.
  const refused = dialect.name === "anthropic" ? "" : refusal;
  const said = [text, refused, reasoning, ...calls.map(({ input }) => input)];
  assert.equal(said.reduce((sum, value) => sum + Buffer.byteLength(value), 0), facts.contentBytes);
  assert.equal(calls.length, facts.toolCalls);
  assert.deepEqual(reply.usage, facts.usage ?? NO_USAGE);
  assert.equal(reply.model, facts.servedModel ?? "");
}

/** A count that is not known is written as 0. */
function counted(reply: ChatResponse): ChatResponse {
  const known = Object.entries(reply.usage).map(([name, count]) => [name, count ?? 0]);
  const usage: UsageReport = { ...NO_USAGE, ...Object.fromEntries(known) };
  return { ...reply, usage };
}

const kindsOf = ({ parts }: ChatResponse) => parts.map(({ type }) => type);

function stepWithoutEnd(dialect: Dialect, frames: readonly SseFrame[]): StreamEvent[] {
  const decoder = dialect.decodeStream();
  return frames.flatMap((frame) => [...decoder.step(frame)]);
}

function contextOf(dialect: Dialect, { request }: Recording) {
  return { callId: CALL_ID, request: dialect.decodeRequest(wireOf(request)).request };
}

function wireBodyOf(reply: string | Uint8Array<ArrayBuffer>): WireBody {
  const bytes = typeof reply === "string" ? new TextEncoder().encode(reply) : reply;
  const body: Json = JSON.parse(new TextDecoder().decode(bytes));
  assert(isObject(body));
  return { body, bytes };
}
