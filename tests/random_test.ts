import assert from "node:assert/strict";
import { randomFrom } from "@/core/random.ts";

/** The first numbers of mulberry32, from its published definition. */
const SEQUENCES: readonly (readonly [number, readonly number[]])[] = [
  [42, [0.6011037519201636, 0.44829055899754167, 0.8524657934904099]],
];

for (const [seed, numbers] of SEQUENCES) {
  Deno.test(`random numbers of seed ${seed} begin ${numbers[0]}`, () => {
    const random = randomFrom(seed);
    assert.deepEqual(numbers.map(() => random()), numbers);
  });
}

Deno.test("random numbers of the same seed are the same", () => {
  const [first, second] = [randomFrom(7), randomFrom(7)];
  for (let draw = 0; draw < 1_000; draw++) assert.equal(first(), second());
});

Deno.test("random numbers of one source do not move those of another", () => {
  const alone = randomFrom(7);
  const expected = [alone(), alone()];
  const [first, other] = [randomFrom(7), randomFrom(8)];
  const found = [first(), other(), first()];
  assert.deepEqual([found[0], found[2]], expected);
});

Deno.test("random numbers are in [0, 1), with the mean of a fair source", () => {
  const random = randomFrom(0xffff_ffff);
  const draws = 100_000;
  let sum = 0;
  for (let draw = 0; draw < draws; draw++) {
    const number = random();
    assert(number >= 0 && number < 1);
    sum += number;
  }
  assert(Math.abs(sum / draws - 0.5) < 0.005);
});

Deno.test("random numbers take any seed as a uint32", () => {
  assert.equal(randomFrom(-1)(), randomFrom(0xffff_ffff)());
  assert.equal(randomFrom(2 ** 32 + 5)(), randomFrom(5)());
});
