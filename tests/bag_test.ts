import assert from "node:assert/strict";
import fc from "fast-check";
import { Bag } from "@/core/bag.ts";

Deno.test("a bag holds what a set would, whatever comes and goes", () => {
  fc.assert(fc.property(fc.array(fc.tuple(fc.boolean(), fc.nat(9))), (steps) => {
    const items = Array.from({ length: 10 }, (_, name) => ({ name, place: -1 }));
    const bag = new Bag<(typeof items)[number]>();
    const set = new Set<(typeof items)[number]>();
    for (const [adds, at] of steps) {
      const item = items[at]!;
      if (!adds) assert.equal(bag.delete(item), set.delete(item));
      else if (!set.has(item)) {
        bag.add(item);
        set.add(item);
      }
      assert.equal(bag.size, set.size);
      assert.deepEqual(new Set(bag), set);
    }
  }));
});

Deno.test("a bag may lose what it holds while it is walked over", () => {
  const items = [{ place: -1 }, { place: -1 }, { place: -1 }];
  const bag = new Bag<{ place: number }>();
  for (const item of items) bag.add(item);
  let seen = 0;
  for (const item of bag) if (bag.delete(item)) seen += 1;
  assert.equal(seen, 3);
  assert.equal(bag.size, 0);
});
