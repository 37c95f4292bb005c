import type { Deadlines } from "../../core/deadlines.ts";
import { HostProcess } from "./host_process.ts";

/** What processes are started with. */
export interface HostWorld {
  readonly deadlines: Deadlines;
  /** Monotonic ms. */
  clock(): number;
}

/** Processes that are up before they are needed: one waits, for whatever policy loses its own. */
export class SpareHost {
  readonly #world: HostWorld;
  readonly #all = new Set<HostProcess>();
  #spare: HostProcess | null = null;
  #heapMb = 0;

  constructor(world: HostWorld) {
    this.#world = world;
  }

  /** Sets the largest heap a policy may ask for, MiB; 0: no policy, no spare. */
  fit(heapMb: number): void {
    if (heapMb === this.#heapMb) return;
    this.#heapMb = heapMb;
    this.#spare?.kill();
    this.#spare = null;
    this.#refill();
  }

  /**
   * A process that is up or starting; the next one starts behind it.
   *
   * @throws {Error} when the system starts none
   */
  take(): HostProcess {
    const taken = this.#spare?.alive ? this.#spare : this.#start();
    this.#spare = null;
    // The one that is needed now gets the processor first.
    void taken.ready.then(() => this.#refill());
    return taken;
  }

  /** Kills every process, and waits for their end. */
  async close(): Promise<void> {
    this.#heapMb = 0;
    const all = [...this.#all];
    for (const host of all) host.kill();
    await Promise.all(all.map(({ ended }) => ended));
  }

  #refill(): void {
    if (this.#spare !== null || this.#heapMb === 0) return;
    try {
      this.#spare = this.#start();
    } catch {
      // Who takes one next is told why there is none.
    }
  }

  #start(): HostProcess {
    const host = new HostProcess({ ...this.#world, heapMb: this.#heapMb });
    this.#all.add(host);
    void host.ended.then(() => this.#all.delete(host));
    return host;
  }
}
