import { Bag, type Placed } from "./bag.ts";

/** A deadline that was set; `cancel` is cheap, and does nothing once it has passed. */
export interface Deadline {
  cancel(): void;
}

/**
 * Many deadlines on one timer. Nearly all deadlines of calls are cancelled long before they pass, and
 * a timer each would cost more than what it guards.
 */
export interface Deadlines {
  /** Runs `pass` after `ms`, unless cancelled. */
  set(ms: number, pass: () => void): Deadline;
}

/** Longest a timer can wait; a later deadline is looked at again then, ms. */
const MAX_TIMER_MS = 2 ** 31 - 1;

class Entry implements Deadline, Placed {
  place = -1;
  readonly #entries: Bag<Entry>;

  constructor(entries: Bag<Entry>, readonly at: number, readonly pass: () => void) {
    this.#entries = entries;
    entries.add(this);
  }

  cancel(): void {
    this.#entries.delete(this);
  }
}

/** Builds deadlines; `clock` is monotonic ms. */
export function createDeadlines(clock: () => number): Deadlines {
  const entries = new Bag<Entry>();
  let timer: ReturnType<typeof setTimeout> | undefined;
  let firesAt = Infinity;

  function arm(at: number): void {
    clearTimeout(timer);
    firesAt = at;
    timer = setTimeout(fire, Math.min(MAX_TIMER_MS, Math.max(0, at - clock())));
    // What waits for a deadline keeps the process alive by itself.
    Deno.unrefTimer(timer);
  }

  function fire(): void {
    const now = clock();
    let next = Infinity;
    firesAt = Infinity;
    const due: Entry[] = [];
    for (const entry of entries.all()) {
      if (entry.at > now) next = Math.min(next, entry.at);
      else due.push(entry);
    }
    // One that passes may cancel another.
    for (const entry of due.sort((a, b) => a.at - b.at)) if (entries.delete(entry)) entry.pass();
    if (next < firesAt) arm(next);
  }

  return {
    set(ms, pass) {
      const entry = new Entry(entries, clock() + ms, pass);
      if (entry.at < firesAt) arm(entry.at);
      return entry;
    },
  };
}

/**
 * A promise's value; what `late` returns or throws when there is none after `ms`. Cheaper than a race
 * with a timer.
 */
export function orLate<Value, Late>(
  deadlines: Deadlines,
  promise: Promise<Value>,
  { ms, late }: { readonly ms: number; late(): Late },
): Promise<Value | Late> {
  return new Promise((resolve, reject) => {
    const deadline = deadlines.set(ms, () => {
      try {
        resolve(late());
      } catch (error) {
        reject(error);
      }
    });
    promise.then((value) => {
      deadline.cancel();
      resolve(value);
    }, (error) => {
      deadline.cancel();
      reject(error);
    });
  });
}
