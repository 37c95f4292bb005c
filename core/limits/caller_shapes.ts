import { type ShapeCharge, ShapeLevels, type ShapeSizes, type Shortage } from "./shape.ts";

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
  #waits: boolean;

  constructor(pace: Pace, charge: ShapeCharge, waitMs: number) {
    this.waitMs = waitMs;
    this.#pace = pace;
    this.#charge = charge;
    this.#waits = waitMs > 0;
    if (this.#waits) pace.waiting += 1;
  }

  /** The call waits no longer. */
  done(): void {
    if (this.#waits) this.#pace.waiting -= 1;
    this.#waits = false;
  }

  /** Gives back what was taken, too. */
  undo(): void {
    this.done();
    this.#pace.levels.give(this.#charge);
  }
}

/** How full the buckets of one caller are, and how many of its calls wait. */
class Pace {
  readonly levels = new ShapeLevels();
  waiting = 0;
}

/** Paces the calls of each caller. */
export class CallerShapes {
  readonly #clock: () => number;
  readonly #processes: () => number;
  readonly #paces = new Map<string, Pace>();

  /** @param world monotonic ms, and how many processes share the rates */
  constructor(world: { clock(): number; processes(): number }) {
    this.#clock = world.clock;
    this.#processes = world.processes;
  }

  /** Calls of all callers that wait for their turn. */
  get depth(): number {
    return this.#paces.values().reduce((sum, { waiting }) => sum + waiting, 0);
  }

  /**
   * Takes a charge. Whoever has to wait takes ahead: the next one waits behind, so the queue is first
   * in, first out.
   */
  enter(id: string, { sizes, queue }: CallerShape, charge: ShapeCharge): Taken | Shortage {
    const pace = this.#paceOf(id);
    const at = { now: this.#clock(), processes: this.#processes() };
    const shortage = pace.levels.shortage(charge, sizes, at);
    if (shortage !== null && (shortage.neverFits || !hasPlace(queue, shortage, pace))) {
      return shortage;
    }
    pace.levels.take(charge, sizes, at);
    return new Taken(pace, charge, shortage?.waitMs ?? 0);
  }

  #paceOf(id: string): Pace {
    let pace = this.#paces.get(id);
    if (!pace) this.#paces.set(id, pace = new Pace());
    return pace;
  }
}

function hasPlace(queue: CallerShape["queue"], { waitMs }: Shortage, { waiting }: Pace): boolean {
  return queue !== null && waitMs <= queue.maxWaitMs && waiting < queue.maxDepth;
}
