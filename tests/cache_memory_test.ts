import assert from "node:assert/strict";
import type { CachedReply } from "@/core/cache/entry.ts";
import { ReplyMemory } from "@/core/cache/memory.ts";

/** A reply of so many bytes, kept from one time to another. */
function replyOf(bytes: number, [storedAt, expiresAt]: readonly [number, number]): CachedReply {
  return {
    contentType: "application/json",
    bytes: new Uint8Array(bytes),
    provider: "acme",
    model: "swift",
    servedModel: null,
    finishReason: "stop",
    usage: { input: 1, output: 1, cachedInput: 0, cacheWrite: 0, image: null, reasoning: null },
    costNusd: null,
    storedAt,
    expiresAt,
  };
}

Deno.test("reply is given until its time, exactly, and to no clock that stepped back before it", () => {
  for (
    const [now, given] of [[1_000, true], [1_999, true], [2_000, false], [999, false]] as const
  ) {
    const memory = new ReplyMemory();
    memory.set("a", replyOf(10, [1_000, 2_000]), 10_000);
    assert.equal(memory.get("a", now) !== null, given, `${now}`);
    assert.equal(memory.items, given ? 1 : 0, "what is over takes no room");
  }
});

Deno.test("least recently read replies go first, and what is too large goes at once", () => {
  const memory = new ReplyMemory();
  const reply = replyOf(488, [0, 9_999]);
  for (const key of ["a", "b", "c"]) memory.set(key, reply, 3_000);
  assert.deepEqual([memory.items, memory.bytes], [3, 3_000]);
  memory.get("a", 1);
  memory.set("d", reply, 3_000);
  const kept = ["a", "b", "c", "d"].filter((key) => memory.get(key, 1) !== null);
  assert.deepEqual(kept, ["a", "c", "d"]);
  memory.set("huge", replyOf(4_000, [0, 9_999]), 3_000);
  assert.deepEqual([memory.items, memory.bytes, memory.get("huge", 1)], [3, 3_000, null]);
  for (let count = 0; count < 10_000; count++) memory.set(`k${count}`, reply, 3_000);
  assert.deepEqual([memory.items, memory.bytes], [3, 3_000], "as many keys as there may be");
});
