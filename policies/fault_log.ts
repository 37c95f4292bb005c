import type { Log } from "../core/log.ts";
import type { PolicyOutcome, RouteContext } from "../core/strategy.ts";

/** Shortest time between two lines about one policy, ms: it may fail at every call. */
const TELL_MS = 1_000;

/** Tells the log of the faults of one group's policy, wherever that runs. */
export class FaultLog {
  readonly #group: string;
  readonly #world: { readonly log: Log; clock(): number };
  #toldAt = -Infinity;

  /** @param world `clock` is monotonic ms */
  constructor(group: string, world: { readonly log: Log; clock(): number }) {
    this.#group = group;
    this.#world = world;
  }

  /** `policy`: how logs name its version, where it has one. */
  tell(
    { fault, problem }: PolicyOutcome & { kind: "fault" },
    { requestId }: RouteContext,
    policy?: string,
  ): void {
    const now = this.#world.clock();
    if (now < this.#toldAt + TELL_MS) return;
    this.#toldAt = now;
    this.#world.log.write("warn", "policy_fault", "A policy did not decide", {
      request_id: requestId,
      group: this.#group,
      policy,
      fault,
      problem,
    });
  }
}
