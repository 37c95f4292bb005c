import { Account, type AccountState, type Charge, chargedUnits, NO_CHARGE } from "./account.ts";
import { type Period, periodAt } from "../period.ts";
import type { LimitKey, ScopeLimits } from "./limit.ts";
import type { Cell, Moment } from "./meter.ts";
import type { Refusal } from "./refusal.ts";

/** Units that a call needs under some limits: all of them or none. */
export type Need = readonly (readonly [LimitKey, number])[];

/** Units of a call that are reserved and not settled. */
interface Held {
  readonly account: Account;
  readonly key: LimitKey;
  readonly cell: Cell;
  readonly units: number;
}

/** Everything one call holds, over all its scopes. */
export interface Reservation {
  readonly scopes: readonly ScopeLimits[];
  readonly accounts: readonly Account[];
  held: Held[];
  /** Epoch ms of the wall clock at which it was last charged with something. */
  chargedAt: number;
}

/** Clocks of the ledger: `now` is epoch ms and may step, `clock` is monotonic ms. */
export interface LedgerWorld {
  now(): number;
  clock(): number;
}

/**
 * Counts what calls use against limits, in memory and synchronously: a look costs as much with one
 * account as with a million. Units are reserved before the upstream is called and settled once after.
 */
export class Ledger {
  readonly #world: LedgerWorld;
  readonly #accounts = new Map<string, Account>();
  /** Epoch ms at which the monotonic clock was 0, as far as this process is concerned. */
  readonly #origin: number;
  /** The latest day seen: the wall may step, and a closed day stays closed. */
  #day: Period = { start: -Infinity, end: -Infinity };
  #changed = new Set<Account>();
  /** Called when something is to be stored. */
  onChange: () => void = () => {};

  constructor(world: LedgerWorld) {
    this.#world = world;
    this.#origin = world.now() - world.clock();
  }

  /** The wall may step; the steady time goes on from the wall's at the start. */
  moment(): Moment {
    const now = this.#world.now();
    if (now >= this.#day.end) this.#day = periodAt("day", now);
    return {
      wall: Math.max(now, this.#day.start),
      steady: this.#origin + this.#world.clock(),
    };
  }

  account(id: string): Account {
    let account = this.#accounts.get(id);
    if (!account) this.#accounts.set(id, account = new Account(id));
    return account;
  }

  /** Opens the reservation of a call; it holds nothing yet. */
  open(scopes: readonly ScopeLimits[]): Reservation {
    return {
      scopes,
      accounts: scopes.map(({ id }) => this.account(id)),
      held: [],
      chargedAt: 0,
    };
  }

  /** Takes what a call needs in every scope, or nothing at all and says which limit is in the way. */
  take(reservation: Reservation, need: Need): Refusal | null {
    const at = this.moment();
    const refusal = this.#refusal(reservation, need, at);
    if (refusal !== null) return refusal;
    for (const account of reservation.accounts) {
      for (const [key, units] of need) {
        reservation.held.push({ account, key, units, cell: account.reserve(key, units, at) });
      }
    }
    reservation.chargedAt = at.wall;
    return null;
  }

  /** Gives back what is held under some limits, as if it had never been taken. */
  release({ held }: Reservation, keys: readonly LimitKey[]): void {
    for (let place = held.length - 1; place >= 0; place--) {
      if (!keys.includes(held[place]!.key)) continue;
      settleHeld(held[place]!, NO_CHARGE);
      held.splice(place, 1);
    }
  }

  /** Ends a reservation: what was not used returns, what was used above it is charged in full. */
  settle(reservation: Reservation, charge: Charge): void {
    const { held } = reservation;
    if (held.length === 0) return;
    reservation.held = [];
    for (const item of held) settleHeld(item, charge);
    if (charge.calls === 0) return;
    for (const account of reservation.accounts) this.#changed.add(account);
    this.onChange();
  }

  /** Adds what a call was charged with before this process began; `time` is epoch ms. */
  replay(id: string, charge: Charge, time: number): void {
    const account = this.account(id);
    account.add(charge, time, this.moment());
    this.#changed.add(account);
  }

  /** What was settled for an account, to be restored by the next process. */
  stateOf(account: Account): AccountState {
    const at = this.moment();
    return account.save(at, Math.round(this.#world.now() - at.steady));
  }

  restore(id: string, state: AccountState): void {
    const [start] = state.day.requests;
    if (start >= this.#day.end) this.#day = periodAt("day", start);
    this.account(id).restore(state, this.moment());
  }

  /** The accounts that changed since the last time this was asked. */
  takeChanged(): ReadonlySet<Account> {
    const changed = this.#changed;
    this.#changed = new Set();
    return changed;
  }

  /** Marks accounts as changed again: they could not be stored. */
  giveBack(accounts: Iterable<Account>): void {
    for (const account of accounts) this.#changed.add(account);
  }

  #refusal({ scopes, accounts }: Reservation, need: Need, at: Moment): Refusal | null {
    for (const [key, needed] of need) {
      for (let place = 0; place < scopes.length; place++) {
        const limits = scopes[place]!;
        const max = limits.max[key];
        if (max === 0 || (key === "lifetime.tokens" && limits.onExhaust === "warn")) continue;
        const account = accounts[place]!;
        if (account.meters[key].taken(at) + needed > max) return { limits, account, key, needed };
      }
    }
    return null;
  }
}

/** What only counts while the call runs is charged with nothing. */
function settleHeld({ account, key, cell, units }: Held, charge: Charge): void {
  account.meters[key].settle(cell, units, chargedUnits(charge, key));
}
