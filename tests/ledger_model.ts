import type { LimitKey, ScopeLimits } from "@/core/limits/limit.ts";
import { periodAt } from "@/core/period.ts";

/** The same as the ledger, as simply as it can be said: a list of calls, added up each time. */
export class LedgerModel {
  readonly #calls: ModelCall[] = [];

  take(call: ModelCall, need: readonly (readonly [LimitKey, number])[], at: ModelTime): boolean {
    for (const limits of call.scopes) {
      for (const [key, units] of need) {
        const max = limits.max[key];
        if (max > 0 && this.taken(limits.id, key, at) + units > max) return false;
      }
    }
    for (const [key, units] of need) call.charges.set(key, { units, ...at });
    if (!this.#calls.includes(call)) this.#calls.push(call);
    return true;
  }

  settle(call: ModelCall, units: (key: LimitKey) => number): void {
    for (const [key, charge] of call.charges) charge.units = units(key);
  }

  /** Calls that were not settled are gone after a crash; the steady time starts from the wall. */
  crash(shift: number): void {
    for (let place = this.#calls.length - 1; place >= 0; place--) {
      if (!this.#calls[place]!.settled) this.#calls.splice(place, 1);
    }
    for (const { charges } of this.#calls) {
      for (const [key, charge] of charges) {
        charges.set(key, { ...charge, steady: charge.steady + shift });
      }
    }
  }

  taken(id: string, key: LimitKey, at: ModelTime): number {
    return this.#sum(this.#calls, id, key, at);
  }

  /** Those of calls that are not settled. */
  reserved(id: string, key: LimitKey, at: ModelTime): number {
    return this.#sum(this.#calls.filter(({ settled }) => !settled), id, key, at);
  }

  #sum(calls: readonly ModelCall[], id: string, key: LimitKey, at: ModelTime): number {
    let sum = 0;
    for (const { scopes, charges } of calls) {
      const charge = charges.get(key);
      if (charge && scopes.some((scope) => scope.id === id) && counts(key, charge, at)) {
        sum += charge.units;
      }
    }
    return sum;
  }
}

/** Epoch ms of a steady clock, and of a wall that never goes back to an earlier day. */
export interface ModelTime {
  readonly steady: number;
  readonly wall: number;
}

/** A call of the model. */
export interface ModelCall {
  readonly scopes: readonly ScopeLimits[];
  readonly charges: Map<LimitKey, { units: number } & ModelTime>;
  settled: boolean;
}

function counts(key: LimitKey, charge: ModelTime, at: ModelTime): boolean {
  if (key === "lifetime.tokens" || key === "concurrent") return true;
  if (key === "rpm" || key === "tpm") {
    return (Math.floor(charge.steady / 100) + 1) * 100 + 60_000 > at.steady;
  }
  const period = key.startsWith("day") ? "day" : "month";
  return periodAt(period, charge.wall).start === periodAt(period, at.wall).start;
}
