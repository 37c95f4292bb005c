import assert from "node:assert/strict";
import fc from "fast-check";
import type { ChatRequest, StreamEvent } from "@/core/chat.ts";
import { eventsOf, responseOf } from "@/core/chat_events.ts";
import type { Dialect } from "@/core/dialect.ts";
import { DIALECT_NAMES, type DialectName } from "@/core/dialect_name.ts";
import { GatewayError } from "@/core/errors.ts";
import { isObject, type Json } from "@/core/json.ts";
import type { Target } from "@/core/snapshot.ts";
import { stepAll } from "@/core/stream.ts";
import { lowerTools } from "@/core/tool_table.ts";
import type { SseFrame } from "@/core/wire.ts";
import { dialects } from "@/dialects/mod.ts";
import { plainTarget, prepared, wireOf } from "./dialect_target.ts";
import { assertEvents } from "./neutral_grammar.ts";
import { framesOf, recordings } from "./recordings.ts";

const RUNS = { numRuns: 60, seed: 20261121 };
const CALL_ID = "0123456789abcdef0123456789abcdef";
const decoder = new TextDecoder();

/** Values that stand where others were expected. */
const STRANGE: readonly Json[] = [
  null,
  true,
  0,
  -1,
  1.5,
  1e300,
  "",
  "x",
  "\ud800",
  "data:image/png;base64,###",
  [],
  [null],
  [[]],
  {},
  { type: "text" },
  { type: "from_the_future", text: 7 },
  { type: "tool_use", id: null, name: 4, input: "{" },
  { toString: {}, valueOf: {}, toJSON: 1, length: 3 },
  "__proto__",
  "constructor",
];

/** Where to go wrong in a value: a number for each level, and what to do there. */
interface Mutation {
  readonly path: readonly number[];
  readonly act: "replace" | "remove" | "repeat";
  readonly value: Json;
}

const mutations: fc.Arbitrary<readonly Mutation[]> = fc.array(
  fc.record({
    path: fc.array(fc.nat(30), { minLength: 1, maxLength: 7 }),
    act: fc.constantFrom("replace" as const, "remove" as const, "repeat" as const),
    value: fc.constantFrom(...STRANGE),
  }),
  { minLength: 1, maxLength: 3 },
);

/** Goes as deep as the path leads, and changes what is there. */
function mutate(value: Json, { path: [turn = 0, ...rest], act, value: other }: Mutation): Json {
  const keys = Array.isArray(value) ? [...value.keys()] : isObject(value) ? Object.keys(value) : [];
  const key = keys[turn % Math.max(1, keys.length)];
  if (key === undefined) return other;
  const inner = Array.isArray(value) ? value[Number(key)] : isObject(value) ? value[key] : null;
  const deeper = rest.length > 0 && typeof inner === "object" && inner !== null;
  const changed = deeper ? mutate(inner, { path: rest, act, value: other }) : other;
  if (Array.isArray(value)) {
    if (!deeper && act === "remove") return value.toSpliced(Number(key), 1);
    if (!deeper && act === "repeat") return [...value, inner ?? null];
    return value.with(Number(key), changed);
  }
  const { [key]: _, ...others } = isObject(value) ? value : {};
  return !deeper && act === "remove" ? others : { ...value as object, [key]: changed };
}

/** Runs what may refuse, and nothing else: anything but a `GatewayError` is a fault of ours. */
function orRefused<Value>(run: () => Value): Value | null {
  try {
    return run();
  } catch (error) {
    if (error instanceof GatewayError) return null;
    throw error;
  }
}

for (const name of DIALECT_NAMES) {
  const from = dialects.get(name);
  const all = recordings(name);

  Deno.test(`${name} requests of any shape are read or refused, never a fault of ours`, () => {
    fc.assert(
      fc.property(fc.constantFrom(...all), mutations, ({ request }, changes) => {
        const body: Json = JSON.parse(decoder.decode(request));
        const text = JSON.stringify(changes.reduce(mutate, body));
        const decoded = orRefused(() => {
          const wire = wireOf(text);
          from.features(wire);
          return from.decodeRequest(wire);
        });
        if (decoded) encodeEverywhere(decoded.request);
        for (const target of targetsOf(name)) {
          orRefused(() => JSON.parse(decoder.decode(prepared(wireOf(text), target).bytes)));
        }
        orRefused(() => from.readAsOther?.(wireOf(text)));
      }),
      { ...RUNS, numRuns: 400 },
    );
  });

  Deno.test(`${name} replies of any shape are read and written, never a fault of ours`, () => {
    const whole = all.filter(({ streamed }) => !streamed);
    fc.assert(
      fc.property(fc.constantFrom(...whole), mutations, ({ reply, request }, changes) => {
        const original: Json = JSON.parse(decoder.decode(reply));
        const text = JSON.stringify(changes.reduce(mutate, original));
        const body: Json = JSON.parse(text);
        if (!isObject(body) || from.readReply(body) === null) return;
        const bytes = new TextEncoder().encode(text);
        const read = from.decodeResponse({ body, bytes });
        const context = contextOf(from, request);
        for (const to of dialectList()) {
          JSON.stringify(to.encodeResponse(read, context));
          stepAll(eventsOf(read), to.encodeStream(context));
        }
      }),
      { ...RUNS, numRuns: 300 },
    );
  });

  Deno.test(`${name} streams of any shape end, and never in a fault of ours`, () => {
    const streamed = all.filter(({ streamed }) => streamed);
    fc.assert(
      fc.property(
        fc.constantFrom(...streamed),
        fc.nat(200),
        mutations,
        fc.option(fc.nat(200), { nil: undefined }),
        ({ reply, request }, at, changes, dropped) => {
          const frames = spoiled(framesOf(reply), { at, changes, dropped });
          readPassing(from, frames);
          const events: StreamEvent[] = stepAll(frames, from.decodeStream());
          assertEvents(events);
          assert(responseOf(events) !== null);
          for (const to of dialectList()) {
            const frames = stepAll(events, to.encodeStream(contextOf(from, request)));
            for (const { data } of frames) if (data !== "[DONE]") JSON.parse(data);
          }
        },
      ),
      { ...RUNS, numRuns: 300 },
    );
  });
}

/** As a stream passes to a caller of its own dialect. */
function readPassing(dialect: Dialect, frames: readonly SseFrame[]): void {
  const tap = dialect.tap({ withholdUsage: true });
  for (const frame of frames) tap.read(frame);
  JSON.stringify([tap.facts(), tap.fault(), tap.complete()]);
  const { usage, contentBytes, toolCalls } = tap.facts();
  const counts = [contentBytes, toolCalls, ...Object.values(usage ?? {})];
  for (const count of counts) assert(count === null || (Number.isInteger(count) && count >= 0));
}

/** Targets that need the most edits. */
function targetsOf(dialect: DialectName): readonly Target[] {
  return [
    plainTarget(dialect),
    plainTarget(dialect, {
      promptCacheMarkers: "none",
      forceStoreFalse: true,
      outputTokenField: "max_completion_tokens",
      honorsMaxTokens: false,
      reasoning: { rejectsMaxTokens: true, rejectsTemperature: true, rejectsTopP: true },
    }),
  ];
}

interface Spoiling {
  readonly at: number;
  readonly changes: readonly Mutation[];
  readonly dropped: number | undefined;
}

/** A stream in which one frame is changed and another may be missing. */
function spoiled(frames: readonly SseFrame[], { at, changes, dropped }: Spoiling): SseFrame[] {
  const index = at % frames.length;
  return frames.flatMap((frame, place) => {
    if (dropped !== undefined && place === dropped % frames.length) return [];
    if (place !== index || !frame.data.startsWith("{")) return [frame];
    const value: Json = JSON.parse(frame.data);
    return [{ ...frame, data: JSON.stringify(changes.reduce(mutate, value)) }];
  });
}

function dialectList(): readonly Dialect[] {
  return DIALECT_NAMES.map((name) => dialects.get(name));
}

function contextOf(from: Dialect, request: Uint8Array<ArrayBuffer>) {
  return { callId: CALL_ID, request: from.decodeRequest(wireOf(request)).request };
}

function encodeEverywhere(request: ChatRequest): void {
  for (const to of dialectList()) {
    orRefused(() => {
      const lowered = lowerTools(request, to.toolLimits);
      JSON.stringify(to.encodeRequest(lowered.request, plainTarget(to.name)).body);
    });
  }
}
