import assert from "node:assert/strict";
import fc from "fast-check";
import { isMember } from "@/core/rollout.ts";

const at = (percent: number, salt = "") => ({ group: "fast", salt, percent });
const keys = fc.string({ minLength: 1 });
const percents = fc.integer({ min: 0, max: 10_000 }).map((steps) => steps / 100);

Deno.test("rollout keeps its members as it grows", () => {
  fc.assert(fc.property(keys, percents, percents, (key, a, b) => {
    const [small, large] = a < b ? [a, b] : [b, a];
    if (isMember(key, at(small))) assert(isMember(key, at(large)));
  }));
});

Deno.test("rollout has nobody at 0 % and everybody at 100 %", () => {
  fc.assert(fc.property(keys, (key) => {
    assert(!isMember(key, at(0)));
    assert(isMember(key, at(100)));
  }));
});

Deno.test("rollout meets its share within 1 %, and another salt has other members", () => {
  const members = (percent: number, salt = "") =>
    Array.from({ length: 50_000 }, (_, key) => isMember(`ck_${key}`, at(percent, salt)));
  const count = (of: readonly boolean[]) => of.filter(Boolean).length / of.length;
  for (const percent of [1, 10, 33.33, 90]) {
    assert(Math.abs(count(members(percent)) - percent / 100) < 0.01, `${percent}`);
  }
  const other = members(50, "b");
  const both = members(50, "a").map((member, key) => member && other[key]!);
  assert(Math.abs(count(both) - 0.25) < 0.01, "salts are independent");
});
