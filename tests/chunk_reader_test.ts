import assert from "node:assert/strict";
import { createChunkReader } from "@/core/chunk_reader.ts";

const bytesOf = (text: string) => new TextEncoder().encode(text);

/** A body of chunks, of the kind that fills a reader's buffer or of the kind that does not. */
function body(kind: "bytes" | "plain", texts: readonly string[]) {
  let next = 0;
  let cancelled = false;
  const pull = (controller: {
    enqueue(chunk: Uint8Array<ArrayBuffer>): void;
    close(): void;
    readonly byobRequest?: ReadableStreamBYOBRequest | null;
  }) => {
    const text = texts[next++];
    if (text !== undefined) return controller.enqueue(bytesOf(text));
    controller.close();
    controller.byobRequest?.respond(0);
  };
  const cancel = () => void (cancelled = true);
  const stream = kind === "bytes"
    ? new ReadableStream<Uint8Array<ArrayBuffer>>({ type: "bytes", pull, cancel })
    : new ReadableStream<Uint8Array<ArrayBuffer>>({ pull, cancel });
  return { stream, isCancelled: () => cancelled };
}

for (const kind of ["bytes", "plain"] as const) {
  Deno.test(`chunk reader gives a ${kind} body as it comes, and its end again and again`, async () => {
    const reader = createChunkReader(body(kind, ["one", "two", "x".repeat(20_000)]).stream);
    const kept: Uint8Array[] = [];
    for (;;) {
      const chunk = await reader.read();
      if (chunk.done) break;
      kept.push(chunk.value);
    }
    const text = kept.map((chunk) => new TextDecoder().decode(chunk)).join("");
    assert.equal(text, `onetwo${"x".repeat(20_000)}`);
    assert.deepEqual([await reader.read(), await reader.read()], [{ done: true }, { done: true }]);
  });

  Deno.test(`chunk reader that is cancelled cancels its ${kind} body`, () => {
    const { stream, isCancelled } = body(kind, ["one"]);
    createChunkReader(stream).cancel();
    assert.equal(isCancelled(), true);
  });
}
