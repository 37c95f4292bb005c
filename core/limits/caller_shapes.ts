import type { Pace } from "./pace.ts";
import type { ShapeCharge, ShapeSizes, Shortage } from "./shape.ts";

/** How the calls of one caller are paced. */
export interface CallerShape {
  readonly sizes: ShapeSizes;
  /** `null`: who would have to wait is refused. */
  readonly queue: { readonly maxWaitMs: number; readonly maxDepth: number } | null;
}

/** A charge that was taken: at once, or ahead of time, so that its call waits. */
export class Taken {
  readonly waitMs: number;
  readonly #pace: Pace;
  readonly #charge: ShapeCharge;
  /** Counts those that wait; `null`: it does not. */
  #queue: Queue | null;

  constructor(pace: Pace, charge: ShapeCharge, wait: { ms: number; queue: Queue } | null) {
    this.waitMs = wait?.ms ?? 0;
    this.#pace = pace;
    this.#charge = charge;
    this.#queue = wait?.queue ?? null;
    this.#count(1);
  }

  /** The call waits no longer. */
  done(): void {
    this.#count(-1);
    this.#queue = null;
  }

  #count(calls: 1 | -1): void {
    if (this.#queue === null) return;
    this.#queue.waiting += calls;
    this.#pace.waiting += calls;
  }

  /** Gives back what was taken, too. */
  undo(): void {
    this.done();
    this.#pace.levels.give(this.#charge);
  }
}

/** Calls that wait for their turn. */
interface Queue {
  waiting: number;
}

/** Paces the calls of each caller. */
export class CallerShapes {
  readonly #clock: () => number;
  readonly #processes: () => number;
  readonly #queue: Queue = { waiting: 0 };

  /** @param world monotonic ms, and how many processes share the rates */
  constructor(world: { clock(): number; processes(): number }) {
    this.#clock = world.clock;
    this.#processes = world.processes;
  }

  /** Calls of all callers that wait for their turn. */
  get depth(): number {
    return this.#queue.waiting;
  }

  /**
   * Takes a charge. Whoever has to wait takes ahead: the next one waits behind, so the queue is first
   * in, first out.
   */
  enter(pace: Pace, { sizes, queue }: CallerShape, charge: ShapeCharge): Taken | Shortage {
    const at = { now: this.#clock(), processes: this.#processes() };
    const shortage = pace.levels.shortage(charge, sizes, at);
    if (shortage !== null && (shortage.neverFits || !hasPlace(queue, shortage, pace))) {
      return shortage;
    }
    pace.levels.take(charge, sizes, at);
    const wait = shortage === null ? null : { ms: shortage.waitMs, queue: this.#queue };
    return new Taken(pace, charge, wait);
  }
}

function hasPlace(queue: CallerShape["queue"], { waitMs }: Shortage, { waiting }: Pace): boolean {
  return queue !== null && waitMs <= queue.maxWaitMs && waiting < queue.maxDepth;
}
