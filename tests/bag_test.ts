import assert from "node:assert/strict";
import fc from "fast-check";
import { Bag, type Placed } from "@/core/bag.ts";

class Thing implements Placed {
  place = -1;
}

Deno.test("bag holds what came and did not go, whatever the order", () => {
  const moves = fc.array(fc.nat({ max: 9 }), { maxLength: 200 });
  fc.assert(fc.property(moves, (turns) => {
    const things = Array.from({ length: 10 }, () => new Thing());
    const bag = new Bag<Thing>();
    const model = new Set<Thing>();
    for (const turn of turns) {
      const thing = things[turn]!;
      if (model.has(thing)) {
        assert(bag.delete(thing));
        model.delete(thing);
      } else {
        assert(!bag.delete(thing));
        bag.add(thing);
        model.add(thing);
      }
      assert.deepEqual(bag.size, model.size);
      assert.deepEqual(new Set(bag.all()), model);
    }
  }));
});

Deno.test("bag tells all of them as of now, so that they may go meanwhile", () => {
  const bag = new Bag<Thing>();
  const things = [new Thing(), new Thing(), new Thing()];
  things.forEach((thing) => bag.add(thing));
  let seen = 0;
  for (const thing of bag.all()) {
    seen++;
    bag.delete(thing);
  }
  assert.deepEqual([seen, bag.size], [3, 0]);
});
