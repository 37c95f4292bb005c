import { evaluationAt, expiresAt, keepsContract } from "./contract.ts";
import type { Contract } from "./contract_terms.ts";
import type { Log } from "./log.ts";
import { DAY_MS } from "./period.ts";
import type { Group, Target } from "./snapshot.ts";

/** How often evaluations are looked at, ms. */
const LOOK_MS = 60_000;

/** What a watch over contracts needs. */
export interface ContractWorld {
  readonly log: Log;
  /** Epoch ms. */
  now(): number;
  /** The groups in force. */
  groups(): Iterable<Group>;
}

/**
 * Warns of evaluations that grow too old for the contract of their group: once a day (UTC) for each
 * target, and with an error for a group of which no target keeps its contract any more.
 */
export class ContractWatch implements Disposable {
  readonly #world: ContractWorld;
  /** What was said on this day. */
  readonly #said = new Set<string>();
  readonly #timer: ReturnType<typeof setInterval>;
  #day = 0;

  constructor(world: ContractWorld) {
    this.#world = world;
    this.#timer = setInterval(() => this.look(), LOOK_MS);
    Deno.unrefTimer(this.#timer);
    this.look();
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }

  /** Says what is to be said now, and was not yet. */
  look(): void {
    const now = this.#world.now();
    const day = Math.floor(now / DAY_MS);
    if (day !== this.#day) this.#said.clear();
    this.#day = day;
    for (const { name, contract, targets } of this.#world.groups()) {
      if (contract === null) continue;
      for (const target of targets) this.#tell(name, target, contract, now);
      if (!targets.some((target) => keepsContract(target, contract, now))) this.#tellNone(name);
    }
  }

  #tellNone(group: string): void {
    this.#once(`none ${group}`, () => {
      const words = "No target keeps the contract of a group any more";
      this.#world.log.write("error", "contract_expired", words, { group });
    });
  }

  #tell(group: string, target: Target, contract: Contract, now: number): void {
    const state = evaluationAt(target, contract, now);
    if (state === "ok") return;
    const { log } = this.#world;
    const of = { group, target: target.id };
    this.#once(`${state} ${group} ${target.id}`, () => {
      if (state === "expiring") {
        const left = Math.floor(((expiresAt(target, contract.floor) ?? now) - now) / DAY_MS);
        log.write("warn", "contract_expiring", "The evaluation of a target is nearly too old", {
          ...of,
          days_left: left,
        });
      } else {
        const fate = contract.serveExpired ? "it serves all the same" : "it serves no more";
        log.write("warn", "contract_expired", `The evaluation of a target is too old: ${fate}`, of);
      }
    });
  }

  #once(what: string, say: () => void): void {
    if (this.#said.has(what)) return;
    this.#said.add(what);
    say();
  }
}
