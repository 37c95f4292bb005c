import assert from "node:assert/strict";
import { createDeadlines } from "@/core/deadlines.ts";
import { MAX_AT_ONCE, readBody, readLimited } from "@/core/body.ts";
import { type ErrorDetails, type ErrorType, GatewayError } from "@/core/errors.ts";

const LIMITS = {
  maxBytes: 1_000,
  timeoutMs: 60_000,
  deadlines: createDeadlines(() => performance.now()),
};
const TEXT = `{"model":"fast","messages":[]}`;

const bytesOf = (text: string) => new TextEncoder().encode(text);
const textOf = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

async function gzip(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
  const stream = new Blob([bytes]).stream().pipeThrough(new CompressionStream("gzip"));
  return await new Response(stream).bytes();
}

/** A POST with this body; a stream has no length unless a header says one. */
function post(body: BodyInit | null, headers: Record<string, string> = {}): Request {
  return new Request("http://gateway.test/", { method: "POST", body, headers });
}

/** A body in these chunks, and whether its reader gave it up. */
function chunks(parts: readonly Uint8Array<ArrayBuffer>[], end: "close" | "error" | "hang") {
  const seen = { cancelled: false };
  const left = [...parts];
  const stream = new ReadableStream<Uint8Array<ArrayBuffer>>({
    pull(controller) {
      const next = left.shift();
      if (next) return controller.enqueue(next);
      if (end === "close") return controller.close();
      if (end === "error") return controller.error(new TypeError("connection reset"));
      return new Promise(() => {});
    },
    cancel: () => void (seen.cancelled = true),
  });
  return { stream, seen };
}

async function assertFails(
  reading: Promise<unknown>,
  type: ErrorType,
  details: ErrorDetails,
): Promise<void> {
  await assert.rejects(reading, (error) => {
    assert(error instanceof GatewayError);
    assert.deepEqual([error.type, error.details], [type, details]);
    return true;
  });
}

Deno.test("body with a length is read as it came", async () => {
  const length = String(bytesOf(TEXT).length);
  const bytes = await readBody(post(TEXT, { "content-length": length }), LIMITS);
  assert.equal(textOf(bytes), TEXT);
});

Deno.test("body that announces much is given room as it comes", async () => {
  const limits = { ...LIMITS, maxBytes: 2 * MAX_AT_ONCE };
  for (const [length, atOnce] of [[MAX_AT_ONCE, true], [MAX_AT_ONCE + 1, false]] as const) {
    const { stream } = chunks([new Uint8Array(1_000), new Uint8Array(length - 1_000)], "close");
    const request = post(stream, { "content-length": String(length) });
    let wasAtOnce = false;
    const bytes = request.bytes.bind(request);
    request.bytes = () => {
      wasAtOnce = true;
      return bytes();
    };
    assert.equal((await readBody(request, limits)).length, length);
    assert.equal(wasAtOnce, atOnce, `${length} bytes`);
  }
});

Deno.test("body in chunks is read whole", async () => {
  const { stream } = chunks([...TEXT].map(bytesOf), "close");
  assert.equal(textOf(await readBody(post(stream), LIMITS)), TEXT);
});

Deno.test("body that is empty has no bytes", async () => {
  assert.equal((await readBody(post(null), LIMITS)).length, 0);
  assert.equal((await readBody(post(""), LIMITS)).length, 0);
});

for (const encoding of ["gzip", "GZIP", " gzip "]) {
  Deno.test(`body in the encoding "${encoding}" is unpacked`, async () => {
    const body = await gzip(bytesOf(TEXT));
    const bytes = await readBody(post(body, { "content-encoding": encoding }), LIMITS);
    assert.equal(textOf(bytes), TEXT);
  });
}

for (const encoding of ["br", "deflate", "gzip, gzip", "x"]) {
  Deno.test(`body in the encoding "${encoding}" is refused unread`, async () => {
    const { stream, seen } = chunks([bytesOf(TEXT)], "hang");
    const reading = readBody(post(stream, { "content-encoding": encoding }), LIMITS);
    await assertFails(reading, "invalid-request", { reason: "content-encoding" });
    assert.equal(seen.cancelled, false);
  });
}

Deno.test("body of exactly the most bytes is read, one byte more is refused", async () => {
  const most = new Uint8Array(LIMITS.maxBytes);
  assert.equal((await readBody(post(chunks([most], "close").stream), LIMITS)).length, 1_000);
  const { stream, seen } = chunks([most, new Uint8Array(1)], "hang");
  await assertFails(readBody(post(stream), LIMITS), "request-too-large", { max_bytes: 1_000 });
  assert.equal(seen.cancelled, true);
});

Deno.test("body whose length is too large is refused unread", async () => {
  const { stream } = chunks([], "hang");
  const reading = readBody(post(stream, { "content-length": "1001" }), LIMITS);
  await assertFails(reading, "request-too-large", { max_bytes: 1_000 });
});

Deno.test("body that unpacks to too much is refused, however small it came", async () => {
  const bomb = await gzip(new Uint8Array(1_000_000));
  assert(bomb.length < 2_000);
  const limits = { ...LIMITS, maxBytes: 100_000 };
  const reading = readBody(post(bomb, { "content-encoding": "gzip" }), limits);
  await assertFails(reading, "request-too-large", { max_bytes: 100_000 });
});

Deno.test("body whose packed bytes fit and unpacked do not is refused by its real size", async () => {
  const packed = await gzip(new Uint8Array(1_001));
  const headers = { "content-encoding": "gzip", "content-length": String(packed.length) };
  await assertFails(readBody(post(packed, headers), LIMITS), "request-too-large", {
    max_bytes: 1_000,
  });
});

Deno.test("body that breaks off is refused", async () => {
  const { stream } = chunks([bytesOf(TEXT)], "error");
  await assertFails(readBody(post(stream), LIMITS), "invalid-request", { reason: "body" });
});

Deno.test("body that is no gzip is refused", async () => {
  const reading = readBody(post(TEXT, { "content-encoding": "gzip" }), LIMITS);
  await assertFails(reading, "invalid-request", { reason: "body" });
});

Deno.test("body that comes too slowly is refused when the time is over", async () => {
  const { stream } = chunks([bytesOf(TEXT)], "hang");
  const alive = setTimeout(() => {}, 5_000); // as a listening server is
  const reading = readBody(post(stream), { ...LIMITS, timeoutMs: 20 });
  await assertFails(reading, "request-timeout", { timeout_ms: 20 });
  clearTimeout(alive);
});

Deno.test("limited read gives one chunk without a copy", async () => {
  const only = bytesOf(TEXT);
  const { stream } = chunks([only], "close");
  assert.equal(await readLimited(stream, 1_000, () => new Error("too large")), only);
});

Deno.test("limited read throws the error it was given, and cancels the stream", async () => {
  const { stream, seen } = chunks([new Uint8Array(6), new Uint8Array(6)], "hang");
  const tooLarge = new RangeError("eleven at most");
  await assert.rejects(readLimited(stream, 11, () => tooLarge), tooLarge);
  assert.equal(seen.cancelled, true);
});
