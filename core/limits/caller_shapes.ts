import { type ShapeCharge, ShapeLevels, type ShapeSizes, type Shortage } from "./shape.ts";

/** How the calls of one caller are paced. */
export interface CallerShape {
  readonly sizes: ShapeSizes;
  /** `null`: who would have to wait is refused. */
  readonly queue: { readonly maxWaitMs: number; readonly maxDepth: number } | null;
}

/** A charge that was taken: at once, or ahead of time, so that its call waits. */
export interface Taken {
  readonly waitMs: number;
  /** The call waits no longer. */
  done(): void;
  /** Gives back what was taken, too. */
  undo(): void;
}

interface State {
  readonly levels: ShapeLevels;
  waiting: number;
}

/** Paces the calls of each caller. */
export class CallerShapes {
  readonly #clock: () => number;
  readonly #processes: () => number;
  readonly #states = new Map<string, State>();
  #depth = 0;

  /** @param world monotonic ms, and how many processes share the rates */
  constructor(world: { clock(): number; processes(): number }) {
    this.#clock = world.clock;
    this.#processes = world.processes;
  }

  /** Calls of all callers that wait for their turn. */
  get depth(): number {
    return this.#depth;
  }

  /**
   * Takes a charge. Whoever has to wait takes ahead: the next one waits behind, so the queue is first
   * in, first out.
   */
  enter(id: string, { sizes, queue }: CallerShape, charge: ShapeCharge): Taken | Shortage {
    const state = this.#stateOf(id);
    const at = { now: this.#clock(), processes: this.#processes() };
    const shortage = state.levels.shortage(charge, sizes, at);
    if (shortage !== null && (shortage.neverFits || !hasPlace(queue, shortage, state))) {
      return shortage;
    }
    state.levels.take(charge, sizes, at);
    const waits = shortage !== null;
    if (waits) this.#wait(state, 1);
    let ended = !waits;
    const done = () => {
      if (!ended) this.#wait(state, -1);
      ended = true;
    };
    return {
      waitMs: shortage?.waitMs ?? 0,
      done,
      undo() {
        done();
        state.levels.give(charge);
      },
    };
  }

  #wait(state: State, calls: 1 | -1): void {
    state.waiting += calls;
    this.#depth += calls;
  }

  #stateOf(id: string): State {
    let state = this.#states.get(id);
    if (!state) this.#states.set(id, state = { levels: new ShapeLevels(), waiting: 0 });
    return state;
  }
}

function hasPlace(queue: CallerShape["queue"], { waitMs }: Shortage, { waiting }: State): boolean {
  return queue !== null && waitMs <= queue.maxWaitMs && waiting < queue.maxDepth;
}
