import { numberPlace } from "./number_blocks.ts";

/** Length of the window and of a slot, ms. */
const WINDOW_MS = 60_000;
const SLOT_MS = 100;

/** What is counted side by side: calls and tokens. */
export type Lane = 0 | 1;

/** Settled units by slot, oldest first: `[last ms of it, units, ...]`, epoch ms of the wall clock. */
export type RollingState = readonly number[];

/** Numbers of a slot: which one it is, then used and reserved units of each lane. */
const WIDTH = 5;
/** Before the slots: the sum of all units of each lane, and of those that are reserved. */
const SUMS = 4;
const FEWEST_SLOTS = 12;
/** Numbers of a window that has grown no further: most never do. */
export const WINDOW_NUMBERS = SUMS + FEWEST_SLOTS * WIDTH;

/**
 * Units of the last 60 s in slots of 100 ms: a slot leaves when its end is 60 s old, so no span of
 * 60 s ever holds more than the limit, and room returns at most 100 ms late. Slots without units take
 * no place; a look costs the slots that have left since the last one. All numbers lie side by side in
 * one ring, so that a caller that was not seen for a while is a few cache lines away.
 *
 * @example Usage
 * ```ts
 * import { RollingWindow } from "@/core/limits/rolling_window.ts";
 *
 * const window = new RollingWindow();
 * window.reserve(0, 3, 0);
 * if (window.taken(0, 60_099) !== 3) throw new Error("Cannot keep a slot");
 * if (window.taken(0, 60_100) !== 0) throw new Error("Cannot drop a slot");
 * ```
 */
export class RollingWindow {
  #numbers: Float64Array<ArrayBuffer>;
  /** Where its own begin in the numbers. */
  #begin: number;
  #slots = FEWEST_SLOTS;
  #first = 0;
  #count = 0;

  /** With a place among the numbers of others, which is all zero: `WINDOW_NUMBERS` of them. */
  constructor({ numbers, begin } = numberPlace(WINDOW_NUMBERS)) {
    this.#numbers = numbers;
    this.#begin = begin;
  }

  /** Units that stand against the limit now: used and reserved. */
  taken(lane: Lane, steady: number): number {
    this.#leave(steady);
    return this.#numbers[this.#begin + lane]!;
  }

  /** Those of them that are reserved. */
  reserved(lane: Lane, steady: number): number {
    this.#leave(steady);
    return this.#numbers[this.#begin + 2 + lane]!;
  }

  /** Reserves units; gives the slot where they are settled. */
  reserve(lane: Lane, units: number, steady: number): number {
    this.#leave(steady);
    const at = this.#newest(Math.floor(steady / SLOT_MS));
    const numbers = this.#numbers;
    numbers[at + 2 + 2 * lane]! += units;
    this.#sum(lane, units, units);
    return numbers[at]!;
  }

  /** Turns a reservation into what was really used. A slot that has left is not corrected. */
  settle(lane: Lane, slot: number, units: { reserved: number; actual: number }): void {
    const at = this.#find(slot);
    if (at < 0) return;
    const numbers = this.#numbers;
    numbers[at + 1 + 2 * lane]! += units.actual;
    numbers[at + 2 + 2 * lane]! -= units.reserved;
    this.#sum(lane, units.actual - units.reserved, -units.reserved);
  }

  /** Time until `units` more fit under a limit they fit under at all, ms. */
  waitMs(lane: Lane, units: number, { limit, steady }: { limit: number; steady: number }): number {
    let taken = this.taken(lane, steady);
    for (let place = 0; place < this.#count && taken + units > limit; place++) {
      taken -= this.#unitsAt(lane, place);
      if (taken + units <= limit || place === this.#count - 1) {
        return leavesAt(this.#slotAt(place)) - steady;
      }
    }
    return 0;
  }

  /** Time until the window is empty, ms. */
  emptyMs(lane: Lane, steady: number): number {
    if (this.taken(lane, steady) === 0) return 0;
    let place = this.#count - 1;
    while (place > 0 && this.#unitsAt(lane, place) === 0) place--;
    return leavesAt(this.#slotAt(place)) - steady;
  }

  /** `shift` is how far the wall is ahead of the steady time, ms. */
  save(lane: Lane, steady: number, shift: number): RollingState {
    this.#leave(steady);
    const state: number[] = [];
    for (let place = 0; place < this.#count; place++) {
      const used = this.#numbers[this.#offset(place) + 1 + 2 * lane]!;
      if (used > 0) state.push((this.#slotAt(place) + 1) * SLOT_MS - 1 + shift, used);
    }
    return state;
  }

  /** Adds settled units at a time; what lies in the future (a clock stepped back) counts as now. */
  add(lane: Lane, units: number, { time, steady }: { time: number; steady: number }): void {
    const slot = Math.floor(Math.min(time, steady) / SLOT_MS);
    if (units === 0 || leavesAt(slot) <= steady) return;
    const at = this.#insert(slot);
    this.#numbers[at + 1 + 2 * lane]! += units;
    this.#sum(lane, units, 0);
  }

  restore(lane: Lane, state: RollingState, steady: number): void {
    for (let place = 0; place + 1 < state.length; place += 2) {
      this.add(lane, state[place + 1]!, { time: state[place]!, steady });
    }
  }

  #sum(lane: Lane, taken: number, reserved: number): void {
    this.#numbers[this.#begin + lane]! += taken;
    this.#numbers[this.#begin + 2 + lane]! += reserved;
  }

  #leave(steady: number): void {
    const numbers = this.#numbers;
    while (this.#count > 0) {
      const at = this.#offset(0);
      if (leavesAt(numbers[at]!) > steady) return;
      this.#sum(0, -numbers[at + 1]! - numbers[at + 2]!, -numbers[at + 2]!);
      this.#sum(1, -numbers[at + 3]! - numbers[at + 4]!, -numbers[at + 4]!);
      this.#first = this.#first + 1 < this.#slots ? this.#first + 1 : 0;
      this.#count -= 1;
    }
  }

  /** Offset of the newest slot, which is that of now unless restored ones lie ahead. */
  #newest(slot: number): number {
    const last = this.#count - 1;
    return last >= 0 && this.#slotAt(last) >= slot ? this.#offset(last) : this.#append(slot);
  }

  #append(slot: number): number {
    if (this.#count === this.#slots) this.#grow();
    const at = this.#offset(this.#count);
    this.#count += 1;
    this.#numbers.fill(0, at, at + WIDTH);
    this.#numbers[at] = slot;
    return at;
  }

  /** Offset of a slot, made in its place when missing: only a start asks for old ones. */
  #insert(slot: number): number {
    const found = this.#find(slot);
    if (found >= 0) return found;
    let at = this.#append(slot);
    for (let place = this.#count - 2; place >= 0 && this.#slotAt(place) > slot; place--) {
      const before = this.#offset(place);
      this.#numbers.copyWithin(at, before, before + WIDTH);
      at = before;
    }
    this.#numbers.fill(0, at, at + WIDTH);
    this.#numbers[at] = slot;
    return at;
  }

  #grow(): void {
    const numbers = new Float64Array(SUMS + 2 * this.#slots * WIDTH);
    numbers.set(this.#numbers.subarray(this.#begin, this.#begin + SUMS));
    for (let place = 0; place < this.#count; place++) {
      const at = this.#offset(place);
      numbers.set(this.#numbers.subarray(at, at + WIDTH), SUMS + place * WIDTH);
    }
    this.#numbers = numbers;
    this.#begin = 0;
    this.#slots *= 2;
    this.#first = 0;
  }

  /** Offset of a slot; -1 when it has left. Mostly it is one of the newest. */
  #find(slot: number): number {
    let [low, high] = [0, this.#count - 1];
    while (low <= high) {
      const middle = (low + high + 1) >> 1;
      const number = this.#slotAt(middle);
      if (number === slot) return this.#offset(middle);
      if (number < slot) low = middle + 1;
      else high = middle - 1;
    }
    return -1;
  }

  #offset(place: number): number {
    const slot = this.#first + place;
    return this.#begin + SUMS + (slot < this.#slots ? slot : slot - this.#slots) * WIDTH;
  }

  #slotAt(place: number): number {
    return this.#numbers[this.#offset(place)]!;
  }

  #unitsAt(lane: Lane, place: number): number {
    const at = this.#offset(place) + 1 + 2 * lane;
    return this.#numbers[at]! + this.#numbers[at + 1]!;
  }
}

function leavesAt(slot: number): number {
  return (slot + 1) * SLOT_MS + WINDOW_MS;
}
