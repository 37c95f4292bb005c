import assert from "node:assert/strict";
import { Afterwards } from "../core/afterwards.ts";

const NUMBERS = Array.from({ length: 100 }, (_, number) => number);

Deno.test("afterwards does each work once, in order, and lets other work in between", async () => {
  const done: number[] = [];
  const slices: number[] = [];
  const { promise, resolve } = Promise.withResolvers<void>();
  const afterwards = new Afterwards<number>((number) => {
    done.push(number);
    if (number === NUMBERS.at(-1)) resolve();
  });
  NUMBERS.forEach((number) => afterwards.add(number));
  assert.deepEqual(done, []);
  const look = setInterval(() => slices.push(done.length), 0);
  await promise;
  clearInterval(look);
  assert.deepEqual(done, NUMBERS);
  assert(slices.some((count) => count > 0 && count < NUMBERS.length));
});

Deno.test("afterwards does at once what waits, when nothing may wait any longer", () => {
  const done: number[] = [];
  const afterwards = new Afterwards<number>((number) => done.push(number), 60_000);
  NUMBERS.forEach((number) => afterwards.add(number));
  afterwards.flush();
  assert.deepEqual(done, NUMBERS);
  afterwards.flush();
  assert.deepEqual(done, NUMBERS);
});
