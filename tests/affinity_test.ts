import assert from "node:assert/strict";
import fc from "fast-check";
import { Affinity } from "@/core/affinity.ts";

const OPTIONS = { ttlMs: 1_000, maxEntries: 3 };

Deno.test("affinity tells a pin that was never made from one that is over", () => {
  let now = 0;
  const affinity = new Affinity(() => now);
  const find = (used = true) => affinity.find("fast", "ck_1", { ...OPTIONS, used });
  assert.deepEqual(find(), { state: "miss" });
  affinity.pin("fast", "ck_1", { ...OPTIONS, target: "a" });
  assert.deepEqual(find(), { state: "hit", target: "a" });
  assert.deepEqual(affinity.find("slow", "ck_1", { ...OPTIONS, used: true }), { state: "miss" });
  now = 1_000;
  assert.deepEqual(find(), { state: "expired" });
});

Deno.test("affinity lives on from its last use, and not from a look", () => {
  let now = 0;
  const affinity = new Affinity(() => now);
  const find = (used: boolean) => affinity.find("fast", "ck_1", { ...OPTIONS, used }).state;
  affinity.pin("fast", "ck_1", { ...OPTIONS, target: "a" });
  for (now = 900; now < 5_000; now += 900) assert.equal(find(true), "hit", `${now}`);
  now = 4_500 + 900;
  assert.equal(find(false), "hit");
  now = 4_500 + 1_000;
  assert.equal(find(false), "expired");
});

Deno.test("affinity keeps the pins that were used last, and never more than it may", () => {
  const key = fc.integer({ min: 0, max: 5 }).map(String);
  const step = fc.record({ key, pins: fc.boolean() });
  fc.assert(fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
    const affinity = new Affinity(() => 0);
    let model: string[] = [];
    for (const { key, pins } of steps) {
      const known = model.includes(key);
      if (pins) affinity.pin("fast", key, { ...OPTIONS, target: "a" });
      else {
        const { state } = affinity.find("fast", key, { ...OPTIONS, used: true });
        assert.equal(state, known ? "hit" : "miss");
      }
      if (pins || known) {
        model = [...model.filter((old) => old !== key), key].slice(-OPTIONS.maxEntries);
      }
    }
    for (const key of ["0", "1", "2", "3", "4", "5"]) {
      const { state } = affinity.find("fast", key, { ...OPTIONS, used: false });
      assert.equal(state, model.includes(key) ? "hit" : "miss");
    }
  }));
});
