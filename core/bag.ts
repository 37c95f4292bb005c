/** What a bag holds knows where it lies there. */
export interface Placed {
  /** Set by the bag; -1: in none. */
  place: number;
}

/**
 * Things in no order, of which many come and go. A `Set` grows by a new table every few of them, and a
 * table that was given up still holds what lay in it until the next full collection of garbage.
 */
export class Bag<Thing extends Placed> {
  readonly #things: Thing[] = [];

  get size(): number {
    return this.#things.length;
  }

  /** Takes what is in no bag. */
  add(thing: Thing): void {
    thing.place = this.#things.push(thing) - 1;
  }

  /** @returns whether it was there */
  delete(thing: Thing): boolean {
    if (thing.place < 0) return false;
    const last = this.#things.pop()!;
    if (last !== thing) {
      this.#things[thing.place] = last;
      last.place = thing.place;
    }
    thing.place = -1;
    return true;
  }

  /** All of them, as of now. */
  all(): readonly Thing[] {
    return this.#things.slice();
  }
}
