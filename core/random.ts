/**
 * Random numbers in [0, 1) from a uint32 seed (mulberry32): the same seed gives the same numbers, in
 * every process. Seed 42 begins 0.6011037519201636.
 *
 * @example Usage
 * ```ts
 * import { randomFrom } from "@/core/random.ts";
 *
 * if (randomFrom(42)() !== 0.6011037519201636) throw new Error("Cannot repeat");
 * ```
 */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
