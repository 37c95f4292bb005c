import { Account, type AccountState, type Charge, chargedUnits, NO_CHARGE } from "./account.ts";
import { type Period, periodAt } from "../period.ts";
import type { LeaseCell } from "./lease_book.ts";
import type { Waiting } from "./lease_entry.ts";
import type { LimitKey, Need, ScopeLimits } from "./limit.ts";
import type { Cell, Moment } from "./meter.ts";
import type { Refusal } from "./refusal.ts";

/** Units of a call that are reserved and not settled. */
interface Held {
  readonly account: Account;
  readonly key: LimitKey;
  readonly cell: Cell;
  readonly units: number;
  /** Where it was taken from, when several processes count in one store. */
  readonly lease: LeaseCell | null;
}

/** Gets units of a store that several processes share. */
export interface Sharer {
  /**
   * Waits until a call has its units, or does not fit.
   *
   * @param take takes them as soon as they are at hand; true when it no longer waits for this account
   * @returns whether it took them
   * @throws {GatewayError} `quota-store-unavailable`
   */
  cover(account: Account, waiting: Waiting, take: () => boolean): Promise<boolean>;
}

/** Everything one call holds, over all its scopes. */
export interface Reservation {
  readonly scopes: readonly ScopeLimits[];
  readonly accounts: readonly Account[];
  held: Held[];
  /** It was settled; what comes later takes nothing. */
  settled: boolean;
  /** Epoch ms of the wall clock at which it was last charged with something. */
  chargedAt: number;
}

/** Clocks of the ledger: `now` is epoch ms and may step, `clock` is monotonic ms. */
export interface LedgerWorld {
  now(): number;
  clock(): number;
  /** Epoch ms at which the monotonic clock was 0, where processes agree on it; else as of now. */
  readonly origin?: number;
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
  /** Whether the processes that count with this one agree on that. */
  readonly hasSharedOrigin: boolean;
  /** The latest day seen: the wall may step, and a closed day stays closed. */
  #day: Period = { start: -Infinity, end: -Infinity };
  #changed = new Set<Account>();
  #sharer: Sharer | null = null;
  readonly #overruns = new Map<LimitKey, number>();
  /** Called when something is to be stored. */
  onChange: () => void = () => {};

  constructor(world: LedgerWorld) {
    this.#world = world;
    this.hasSharedOrigin = world.origin !== undefined;
    this.#origin = world.origin ?? world.now() - world.clock();
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
      settled: false,
      chargedAt: 0,
    };
  }

  /** Counts with other processes from now on: units are taken from what the store granted. */
  share(sharer: Sharer): void {
    this.#sharer = sharer;
  }

  /**
   * Takes what a call needs in every scope, or nothing at all and says which limit is in the way. Only
   * with a shared store, and only when too few units are at hand, there is something to wait for.
   *
   * @throws {GatewayError} `quota-store-unavailable`
   */
  take(reservation: Reservation, need: Need): Refusal | null | Promise<Refusal | null> {
    const at = this.moment();
    const refusal = this.#refusal(reservation, need, at);
    if (refusal === null) {
      this.#hold(reservation, need, at);
      return null;
    }
    if (this.#sharer === null || refusal.needed > refusal.limits.max[refusal.key]) return refusal;
    return this.#takeShared(reservation, need, { sharer: this.#sharer, refusal });
  }

  async #takeShared(
    reservation: Reservation,
    need: Need,
    first: { readonly sharer: Sharer; readonly refusal: Refusal },
  ): Promise<Refusal | null> {
    let refusal: Refusal | null = first.refusal;
    while (refusal !== null) {
      const { account, limits }: Refusal = refusal;
      const take = () => {
        const at = this.moment();
        refusal = this.#refusal(reservation, need, at);
        if (refusal === null) this.#hold(reservation, need, at);
        return refusal?.account !== account;
      };
      if (!await first.sharer.cover(account, { limits, need }, take)) return refusal;
    }
    return null;
  }

  #hold(reservation: Reservation, need: Need, at: Moment): void {
    if (reservation.settled) return;
    for (const account of reservation.accounts) {
      for (const [key, units] of need) {
        const cell = account.reserve(key, units, at);
        const lease = this.#sharer === null ? null : account.lease.take(key, units, {
          window: account.windowOf(key, at),
          steady: at.steady,
        });
        reservation.held.push({ account, key, units, cell, lease });
      }
      if (this.#sharer !== null) this.#changed.add(account);
    }
    reservation.chargedAt = at.wall;
    if (this.#sharer !== null) this.onChange();
  }

  /** Gives back what is held under some limits, as if it had never been taken. */
  release({ held }: Reservation, keys: readonly LimitKey[]): void {
    const { steady } = this.moment();
    for (let place = held.length - 1; place >= 0; place--) {
      if (!keys.includes(held[place]!.key)) continue;
      settleHeld(held[place]!, NO_CHARGE, steady);
      held.splice(place, 1);
    }
  }

  /** Ends a reservation: what was not used returns, what was used above it is charged in full. */
  settle(reservation: Reservation, charge: Charge): void {
    if (reservation.settled) return;
    reservation.settled = true;
    const { held } = reservation;
    reservation.held = [];
    if (held.length === 0) return;
    const { steady } = this.moment();
    for (const item of held) {
      settleHeld(item, charge, steady);
      if (chargedUnits(charge, item.key) > item.units) this.#overrun(reservation, item, charge);
    }
    if (charge.calls === 0 && this.#sharer === null) return;
    for (const account of reservation.accounts) this.#changed.add(account);
    this.onChange();
  }

  /** Units that were charged above what was reserved for them, by limit, since the start. */
  get overruns(): ReadonlyMap<LimitKey, number> {
    return this.#overruns;
  }

  #overrun({ scopes, accounts }: Reservation, { account, key, units }: Held, charge: Charge): void {
    const limits = scopes[accounts.indexOf(account)];
    if (!limits || limits.max[key] === 0) return;
    const above = chargedUnits(charge, key) - units;
    this.#overruns.set(key, (this.#overruns.get(key) ?? 0) + above);
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

  #hasRoom(
    account: Account,
    key: LimitKey,
    needed: number,
    { max, at }: { readonly max: number; readonly at: Moment },
  ): boolean {
    return this.#sharer === null
      ? account.meters[key].taken(at) + needed <= max
      : account.lease.left(key, account.windowOf(key, at), at.steady) >= needed;
  }

  #refusal({ scopes, accounts }: Reservation, need: Need, at: Moment): Refusal | null {
    for (const [key, needed] of need) {
      for (let place = 0; place < scopes.length; place++) {
        const limits = scopes[place]!;
        const max = limits.max[key];
        if (max === 0 || (key === "lifetime.tokens" && limits.onExhaust === "warn")) continue;
        const account = accounts[place]!;
        if (!this.#hasRoom(account, key, needed, { max, at })) {
          return { limits, account, key, needed };
        }
      }
    }
    return null;
  }
}

/** What only counts while the call runs is charged with nothing. */
function settleHeld(
  { account, key, cell, units, lease }: Held,
  charge: Charge,
  steady: number,
): void {
  const actual = chargedUnits(charge, key);
  account.meters[key].settle(cell, units, actual);
  if (lease !== null) account.lease.settle(lease, units, actual, steady);
}
