import assert from "node:assert/strict";
import type { Dialect, FrameKind, ReplyFacts } from "@/core/dialect.ts";
import { DIALECT_NAMES } from "@/core/dialect_name.ts";
import { GatewayError } from "@/core/errors.ts";
import { createFrameReader, type FrameSpan } from "@/core/sse.ts";
import type { UsageReport } from "@/core/usage.ts";
import type { SseFrame } from "@/core/wire.ts";
import { dialects } from "@/dialects/mod.ts";
import { plainTarget, prepared, wireOf } from "./dialect_target.ts";
import { assertGolden } from "./golden.ts";
import { drip, type Recording, recordings } from "./recordings.ts";

const CHUNK_SIZES = [1, 2, 3, 7, 64] as const;
const CUT = new GatewayError("upstream-failed", "Cannot go on: the provider broke off");

interface Subject extends Recording {
  readonly title: string;
  readonly dialect: Dialect;
}

interface Reading {
  readonly frames: readonly SseFrame[];
  readonly bytes: Uint8Array;
  readonly tail: number;
}

/** Frames with the bytes they came in; blank lines between frames are no frames of their own. */
function readFrames(chunks: readonly Uint8Array<ArrayBuffer>[]): Reading {
  const reader = createFrameReader({ maxFrameBytes: 1 << 20 });
  const batches = chunks.map((chunk) => reader.push(chunk));
  const bytes = batches.flatMap((batch) => [...batch.bytes]);
  for (const batch of batches) assertBackToBack(batch.frames, batch.bytes.length);
  const frames = batches.flatMap((batch) => batch.frames.map(({ frame }) => frame));
  return { frames, bytes: Uint8Array.from(bytes), tail: reader.rest().bytes.length };
}

function assertBackToBack(frames: readonly FrameSpan[], length: number): void {
  const ends = [0, ...frames.map(({ end }) => end)];
  assert.deepEqual(frames.map(({ start }) => start), ends.slice(0, -1));
  assert.equal(ends.at(-1), length);
}

for (const name of DIALECT_NAMES) {
  const dialect = dialects.get(name);
  for (const recording of recordings(name)) {
    const title = `${name}/${recording.name}`;
    const subject = { ...recording, title, dialect };

    Deno.test(`${title} has the features of its golden`, () => {
      const features = dialect.features(wireOf(recording.request));
      assertGolden(new URL("features.golden.json", recording.folder), features);
    });

    Deno.test(`${title} goes upstream unchanged outside its edits`, () => {
      assertOnlyEdited(subject);
    });

    if (recording.streamed) testStream(subject);
    else testUnary(subject);
  }
}

function tapAll(dialect: Dialect, frames: readonly SseFrame[]) {
  const tap = dialect.tap({ withholdUsage: false });
  const kinds: FrameKind[] = [];
  const complete: boolean[] = [];
  for (const frame of frames) {
    kinds.push(tap.read(frame));
    complete.push(tap.complete());
  }
  return { tap, kinds, complete, facts: tap.facts() };
}

function assertOnlyEdited({ dialect, request }: Subject): void {
  const { edits, bytes } = prepared(wireOf(request), plainTarget(dialect.name));
  assert(edits.some(({ field }) => field === "model"));
  let from = 0;
  let to = 0;
  for (
    const { start, end, text } of edits.toSorted((a, b) => a.start - b.start || a.end - b.end)
  ) {
    assert.deepEqual(bytes.subarray(to, to + start - from), request.subarray(from, start));
    to += start - from + new TextEncoder().encode(text).length;
    from = end;
  }
  assert.deepEqual(bytes.subarray(to), request.subarray(from));
  assert.equal(JSON.parse(new TextDecoder().decode(bytes)).model, "up-1");
}

function testUnary({ title, dialect, reply, folder }: Subject): void {
  Deno.test(`${title} has the facts of its golden`, () => {
    const facts = dialect.readReply(JSON.parse(new TextDecoder().decode(reply)));
    assert(facts);
    assertUsageAddsUp(facts.usage);
    assertGolden(new URL("facts.golden.json", folder), { facts });
  });
}

function testStream({ title, dialect, reply, folder }: Subject): void {
  const whole = readFrames([reply]);

  Deno.test(`${title} has the facts of its golden`, () => {
    const { kinds, facts, tap } = tapAll(dialect, whole.frames);
    assertUsageAddsUp(facts.usage);
    const golden = { facts, fault: tap.fault(), complete: tap.complete(), kinds };
    assertGolden(new URL("facts.golden.json", folder), golden);
  });

  Deno.test(`${title} gives the same frames, facts and bytes at every chunk size`, () => {
    assert.deepEqual(whole.bytes, new Uint8Array(reply));
    for (const size of CHUNK_SIZES) {
      const dripped = readFrames(drip(reply, size));
      assert.deepEqual(dripped, whole);
      assert.deepEqual(tapAll(dialect, dripped.frames).facts, tapAll(dialect, whole.frames).facts);
    }
  });

  Deno.test(`${title} means the same with LF, CRLF and CR`, () => {
    const lf = new TextDecoder().decode(reply).replaceAll("\r\n", "\n");
    const expected = tapAll(dialect, whole.frames).facts;
    for (const end of ["\n", "\r\n", "\r"]) {
      const bytes = new TextEncoder().encode(lf.replaceAll("\n", end));
      const { frames } = readFrames(drip(bytes, 7));
      assert.deepEqual(tapAll(dialect, frames).facts, expected);
    }
  });

  Deno.test(`${title} is not stopped by pings, unknown events and garbage`, () => {
    const noise = [
      { event: "", data: "" },
      { event: "ping", data: '{"type":"ping"}' },
      { event: "news", data: '{"type":"news.today","choices":[]}' },
      { event: "", data: "{broken" },
      { event: "", data: "[1,null]" },
      { event: "", data: '{"choices":[null,{"delta":7}],"delta":null,"usage":[]}' },
    ];
    const frames = whole.frames.flatMap((frame) => [...noise, frame]);
    assert.deepEqual(tapAll(dialect, frames).facts, tapAll(dialect, whole.frames).facts);
    const { kinds } = tapAll(dialect, noise);
    assert(kinds.every((kind) => kind === "preamble" || kind === "other"), kinds.join());
  });

  Deno.test(`${title} never looks finished before its end`, () => {
    const { kinds, complete } = tapAll(dialect, whole.frames);
    const lastContent = kinds.findLastIndex((kind) => kind === "content");
    assert(complete.slice(0, lastContent + 1).every((is) => !is));
    assert.equal(complete.at(-1), kinds.includes("terminal"));
  });

  Deno.test(`${title} is settled by its first terminal event alone`, () => {
    const once = tapAll(dialect, whole.frames);
    const twice = tapAll(dialect, [...whole.frames, ...whole.frames]);
    if (once.kinds.includes("terminal")) assert.deepEqual(twice.facts, once.facts);
  });

  Deno.test(`${title} cut anywhere ends with an error frame of its dialect`, () => {
    for (let cut = 0; cut < whole.frames.length; cut++) {
      const { tap } = tapAll(dialect, whole.frames.slice(0, cut));
      const text = tap.errorFrame(CUT, "req_0");
      const { frames, tail } = readFrames([new TextEncoder().encode(text)]);
      assert.equal(tail, 0);
      assert.deepEqual(tapAll(dialect, frames).kinds, ["error"]);
    }
  });
}

function assertUsageAddsUp(usage: ReplyFacts["usage"]): void {
  if (!usage) return;
  const of = (key: keyof UsageReport) => usage[key] ?? 0;
  for (const count of Object.values(usage)) assert(count === null || count >= 0);
  assert(of("cachedInput") + of("cacheWrite") <= of("input"));
  assert(of("image") <= of("input"));
  assert(of("reasoning") <= of("output"));
}
