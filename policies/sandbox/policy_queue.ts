import type { Deadlines } from "../../core/deadlines.ts";
import type { PolicyFault } from "../../core/policy_fault.ts";
import type { PolicyHost } from "./policy_host.ts";

/** Decisions that may wait. */
const MAX_WAITING = 256;

/** Longest wait, ms. */
const WAIT_MS = 50;

type Place = PolicyHost | PolicyFault;

/** What a queue hands out, and how much of it at once. */
export interface QueueWorld {
  readonly deadlines: Deadlines;
  readonly maxConcurrent: () => number;
  /** The process to use next; `null` while there is none. */
  readonly host: () => PolicyHost | null;
}

/** Places in the processes of a policy: decisions over the limit wait a little, then do without. */
export class PolicyQueue {
  readonly #world: QueueWorld;
  readonly #waiting = new Set<(place: Place) => void>();
  #taken = 0;

  constructor(world: QueueWorld) {
    this.#world = world;
  }

  /** Decisions that wait for a place. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /** A place, or the fault that stands for none. Give a place back. */
  take(): Place | Promise<Place> {
    const host = this.#waiting.size === 0 ? this.#free() : null;
    if (host) return host;
    if (this.#waiting.size >= MAX_WAITING) return "policy-busy";
    return new Promise((resolve) => {
      const late = this.#world.deadlines.set(WAIT_MS, () => {
        this.#waiting.delete(settle);
        resolve(this.#world.host() ? "policy-busy" : "policy-unavailable");
      });
      const settle = (place: Place) => {
        late.cancel();
        resolve(place);
      };
      this.#waiting.add(settle);
    });
  }

  /** Gives a place back. */
  release(): void {
    this.#taken -= 1;
    this.next();
  }

  /** Serves those who wait, as far as there are places. */
  next(): void {
    for (const settle of this.#waiting) {
      const host = this.#free();
      if (!host) return;
      this.#waiting.delete(settle);
      settle(host);
    }
  }

  #free(): PolicyHost | null {
    if (this.#taken >= this.#world.maxConcurrent()) return null;
    const host = this.#world.host();
    if (host) this.#taken += 1;
    return host;
  }
}
