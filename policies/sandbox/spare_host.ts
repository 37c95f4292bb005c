import type { Deadlines } from "../../core/deadlines.ts";
import type { Isolation } from "../../core/policy_runner.ts";
import { PolicyHost } from "./policy_host.ts";
import { openProcess } from "./process_link.ts";
import { openThread } from "./thread_link.ts";

/** What hosts are started with. */
export interface HostWorld {
  readonly deadlines: Deadlines;
  /** Monotonic ms. */
  clock(): number;
}

const OPEN = { process: openProcess, worker: openThread } as const;

/** What all hosts are like; `heapMb`: the largest heap a policy may ask for, 0: there is none. */
export interface HostKind {
  readonly heapMb: number;
  readonly isolation: Isolation;
}

/** Hosts that are up before they are needed: one waits, for whatever policy loses its own. */
export class SpareHost {
  readonly #world: HostWorld;
  readonly #all = new Set<PolicyHost>();
  #spare: PolicyHost | null = null;
  #kind: HostKind = { heapMb: 0, isolation: "process" };

  constructor(world: HostWorld) {
    this.#world = world;
  }

  /** Sets what the next hosts are like; without a policy there is no spare. */
  fit(kind: HostKind): void {
    if (kind.heapMb === this.#kind.heapMb && kind.isolation === this.#kind.isolation) return;
    this.#kind = kind;
    this.#spare?.kill();
    this.#spare = null;
    this.#refill();
  }

  /**
   * A host that is up or starting; the next one starts behind it.
   *
   * @throws {Error} when the system starts none
   */
  take(): PolicyHost {
    const taken = this.#spare?.alive ? this.#spare : this.#start();
    this.#spare = null;
    // The one that is needed now gets the processor first.
    void taken.ready.then(() => this.#refill());
    return taken;
  }

  /** Kills every host, and waits for their end. */
  async close(): Promise<void> {
    this.#kind = { ...this.#kind, heapMb: 0 };
    const all = [...this.#all];
    for (const host of all) host.kill();
    await Promise.all(all.map(({ ended }) => ended));
  }

  #refill(): void {
    if (this.#spare !== null || this.#kind.heapMb === 0) return;
    try {
      this.#spare = this.#start();
    } catch {
      // Who takes one next is told why there is none.
    }
  }

  #start(): PolicyHost {
    const { heapMb, isolation } = this.#kind;
    const host = new PolicyHost({ ...this.#world, open: OPEN[isolation], heapMb });
    this.#all.add(host);
    void host.ended.then(() => this.#all.delete(host));
    return host;
  }
}
