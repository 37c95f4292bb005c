import assert from "node:assert/strict";
import fc from "fast-check";
import { createFrameReader } from "@/core/sse.ts";
import { drip } from "./recordings.ts";

const encode = (text: string) => new TextEncoder().encode(text);
const decode = (bytes: Uint8Array) => new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);

function readAll(chunks: readonly Uint8Array<ArrayBuffer>[], maxFrameBytes = 1 << 20) {
  const reader = createFrameReader({ maxFrameBytes });
  const batches = chunks.map((chunk) => reader.push(chunk));
  return {
    frames: batches.flatMap(({ frames }) => frames.map(({ frame }) => frame)),
    flowed: Uint8Array.from(batches.flatMap(({ bytes }) => [...bytes])),
    rest: reader.rest(),
    overflowed: reader.overflowed,
  };
}

Deno.test("a frame reader gives the bytes of whole frames and keeps the tail", () => {
  const reader = createFrameReader({ maxFrameBytes: 100 });
  const first = reader.push(encode("data: a\n\nevent: x\ndata: b\n\ndat"));
  assert.equal(decode(first.bytes), "data: a\n\nevent: x\ndata: b\n\n");
  assert.deepEqual(first.frames, [
    { frame: { event: "", data: "a" }, start: 0, end: 9 },
    { frame: { event: "x", data: "b" }, start: 9, end: 27 },
  ]);
  assert.deepEqual(reader.push(encode("a: c")).frames, []);
  const last = reader.push(encode("\n\n"));
  assert.equal(decode(last.bytes), "data: c\n\n");
  assert.deepEqual(last.frames, [{ frame: { event: "", data: "c" }, start: 0, end: 9 }]);
  assert.equal(reader.rest().bytes.length, 0);
});

Deno.test("a frame reader does not copy a chunk of whole frames", () => {
  const chunk = encode("data: a\n\n");
  const { bytes } = createFrameReader({ maxFrameBytes: 100 }).push(chunk);
  assert.equal(bytes.buffer, chunk.buffer);
});

Deno.test("a frame reader reads comments, retry, id, a byte order mark and several data lines", () => {
  const text =
    "\ufeff: hi\n\nretry: 3000\nid: 7\nevent: e\ndata: a\ndata:b\ndata\n\nevent: ping\n\n";
  const { frames } = readAll([encode(text)]);
  assert.deepEqual(frames, [
    { event: "", data: "" },
    { event: "e", data: "a\nb\n" },
    { event: "", data: "" },
  ]);
});

Deno.test("a frame reader with CR lines does not wait for the next frame", () => {
  const reader = createFrameReader({ maxFrameBytes: 100 });
  const { frames } = reader.push(encode("data: a\r\r"));
  assert.deepEqual(frames.map(({ frame }) => frame.data), ["a"]);
});

Deno.test("a frame reader reads the unfinished tail at the end", () => {
  const { rest } = readAll([encode("data: a\n\ndata: [DONE]")]);
  assert.deepEqual(rest.frames.map(({ frame }) => frame.data), ["[DONE]"]);
  assert.equal(decode(rest.bytes), "data: [DONE]");
  for (const end of ["\n", "\r\n", "\r", "\r\n\r"]) {
    const { rest: tail } = readAll([encode(`data: b${end}`)]);
    assert.deepEqual(tail.frames.map(({ frame }) => frame.data), ["b"]);
  }
});

Deno.test("a frame over the limit flows raw and ends the reading at every chunk size", () => {
  const text = `data: a\n\ndata: ${"x".repeat(50)}\n\ndata: b\n\n`;
  for (const size of [1, 2, 7, 64, 1_000]) {
    const { frames, flowed, rest, overflowed } = readAll(drip(encode(text), size), 40);
    assert.deepEqual(frames, [{ event: "", data: "a" }]);
    assert.equal(decode(flowed) + decode(rest.bytes), text);
    assert(overflowed);
  }
});

Deno.test("a large frame in small chunks is read in linear time", () => {
  const text = `data: ${"x".repeat(4_000_000)}\n\n`;
  const start = performance.now();
  const { frames } = readAllFast(drip(encode(text), 1_000));
  assert.equal(frames, 1);
  assert(performance.now() - start < 2_000);
});

function readAllFast(chunks: readonly Uint8Array<ArrayBuffer>[]) {
  const reader = createFrameReader({ maxFrameBytes: 1 << 23 });
  return { frames: chunks.reduce((sum, chunk) => sum + reader.push(chunk).frames.length, 0) };
}

const line = fc.oneof(
  fc.string({ unit: "binary" }).map((text) => `data: ${text.replaceAll(/[\r\n]/g, "")}`),
  fc.constantFrom(": comment", "event: x", "id: 1", "retry: 5", "data", "data:", "unknown: y"),
);
const streams = fc.record({
  frames: fc.array(fc.array(line, { minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 6 }),
  end: fc.constantFrom("\n", "\r\n", "\r"),
  bom: fc.constantFrom("", "\ufeff"),
  sizes: fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 8 }),
});

Deno.test("a frame reader gives the same frames and bytes at any split", () => {
  fc.assert(fc.property(streams, ({ frames, end, bom, sizes }) => {
    const text = bom + frames.map((lines) => lines.join(end) + end + end).join("");
    const bytes = encode(text);
    const chunks: Uint8Array<ArrayBuffer>[] = [];
    for (let at = 0, turn = 0; at < bytes.length; turn++) {
      const next = at + sizes[turn % sizes.length]!;
      chunks.push(bytes.slice(at, next));
      at = next;
    }
    const whole = readAll([bytes]);
    const split = readAll(chunks);
    assert.equal(whole.frames.length, frames.length);
    assert.deepEqual(split.frames, whole.frames);
    assert.deepEqual([...split.flowed], [...bytes]);
    assert.deepEqual([...whole.flowed], [...bytes]);
  }));
});
