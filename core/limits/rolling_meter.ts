import type { Cell, Meter, Moment } from "./meter.ts";

/** Length of the window and of a slot, ms. */
const WINDOW_MS = 60_000;
const SLOT_MS = 100;

/** Settled units by slot, oldest first: `[last ms of it, units, ...]`, epoch ms of the wall clock. */
export type RollingState = readonly number[];

interface Slot extends Cell {
  /** Whole slots since the epoch. */
  readonly number: number;
  next: Slot | null;
}

/**
 * Units of the last 60 s in slots of 100 ms: a slot leaves when its end is 60 s old, so no span of
 * 60 s ever holds more than the limit, and room returns at most 100 ms late. Slots without units take
 * no place; a look costs the slots that have left since the last one.
 *
 * @example Usage
 * ```ts
 * import { RollingMeter } from "@/core/limits/rolling_meter.ts";
 *
 * const meter = new RollingMeter();
 * meter.reserve(meter.cellAt({ wall: 0, steady: 0 }), 3);
 * if (meter.taken({ wall: 0, steady: 60_099 }) !== 3) throw new Error("Cannot keep a slot");
 * if (meter.taken({ wall: 0, steady: 60_100 }) !== 0) throw new Error("Cannot drop a slot");
 * ```
 */
export class RollingMeter implements Meter {
  #first: Slot | null = null;
  #last: Slot | null = null;
  #sum = 0;
  #reserved = 0;

  taken({ steady }: Moment): number {
    while (this.#first !== null && leavesAt(this.#first) <= steady) {
      this.#sum -= this.#first.used + this.#first.reserved;
      this.#reserved -= this.#first.reserved;
      this.#first = this.#first.next;
    }
    if (this.#first === null) this.#last = null;
    return this.#sum;
  }

  reservedAt(at: Moment): number {
    this.taken(at);
    return this.#reserved;
  }

  cellAt(at: Moment): Slot {
    this.taken(at);
    const number = Math.floor(at.steady / SLOT_MS);
    if (this.#last !== null && this.#last.number >= number) return this.#last;
    const slot: Slot = { number, used: 0, reserved: 0, next: null };
    if (this.#last === null) this.#first = slot;
    else this.#last.next = slot;
    return this.#last = slot;
  }

  reserve(cell: Cell, units: number): void {
    cell.reserved += units;
    this.#sum += units;
    this.#reserved += units;
  }

  /** A slot that has left is not corrected. */
  settle(cell: Cell, reserved: number, actual: number): void {
    cell.reserved -= reserved;
    cell.used += actual;
    if (!this.#holds(cell)) return;
    this.#sum += actual - reserved;
    this.#reserved -= reserved;
  }

  /** Time until `units` more fit under a limit they fit under at all, ms. */
  waitMs(units: number, limit: number, at: Moment): number {
    let taken = this.taken(at);
    let slot = this.#first;
    while (slot !== null && taken + units > limit) {
      taken -= slot.used + slot.reserved;
      if (taken + units <= limit || slot.next === null) return leavesAt(slot) - at.steady;
      slot = slot.next;
    }
    return 0;
  }

  /** Time until the window is empty, ms. */
  emptyMs(at: Moment): number {
    this.taken(at);
    return this.#last === null ? 0 : leavesAt(this.#last) - at.steady;
  }

  /** `shift` is how far the wall is ahead of the steady time, ms. */
  save(at: Moment, shift: number): RollingState {
    this.taken(at);
    const state: number[] = [];
    for (let slot = this.#first; slot !== null; slot = slot.next) {
      if (slot.used > 0) state.push((slot.number + 1) * SLOT_MS - 1 + shift, slot.used);
    }
    return state;
  }

  /** Adds settled units at a time; what lies in the future (a clock stepped back) counts as now. */
  add(units: number, time: number, at: Moment): void {
    const number = Math.floor(Math.min(time, at.steady) / SLOT_MS);
    if (units === 0 || (number + 1) * SLOT_MS + WINDOW_MS <= at.steady) return;
    const slot = this.#slot(number);
    slot.used += units;
    this.#sum += units;
  }

  restore(state: RollingState, at: Moment): void {
    for (let place = 0; place + 1 < state.length; place += 2) {
      this.add(state[place + 1]!, state[place]!, at);
    }
  }

  /** The slot of a number, made in its place when missing: only a start asks for old ones. */
  #slot(number: number): Slot {
    let before: Slot | null = null;
    let slot = this.#last !== null && this.#last.number < number ? null : this.#first;
    if (slot === null) before = this.#last;
    while (slot !== null && slot.number < number) {
      before = slot;
      slot = slot.next;
    }
    if (slot?.number === number) return slot;
    const made: Slot = { number, used: 0, reserved: 0, next: slot };
    if (before === null) this.#first = made;
    else before.next = made;
    if (slot === null) this.#last = made;
    return made;
  }

  #holds(cell: Cell): boolean {
    return this.#first !== null && isSlot(cell) && cell.number >= this.#first.number;
  }
}

function isSlot(cell: Cell): cell is Slot {
  return "number" in cell;
}

function leavesAt({ number }: Slot): number {
  return (number + 1) * SLOT_MS + WINDOW_MS;
}
