import { Account, accountBlocks, type AccountState, type Held, holdsNothing } from "./account.ts";
import { type Charge, chargedUnits } from "./charge.ts";
import { type Period, periodAt } from "../period.ts";
import type { Waiting } from "./lease_entry.ts";
import { LIMIT_KEYS, type LimitKey, type Need, type ScopeLimits, unitsOf } from "./limit.ts";
import type { Moment } from "./moment.ts";
import type { Refusal } from "./refusal.ts";

/** Gets units of a store that several processes share. */
export interface Sharer {
  /**
   * Waits until a call has its units, or does not fit.
   *
   * @param take takes them as soon as they are at hand; true when it no longer waits for this account
   * @returns the limit in the way; `null`: it took them
   * @throws {GatewayError} `quota-store-unavailable`
   */
  cover(account: Account, waiting: Waiting, take: () => boolean): Promise<LimitKey | null>;
}

/** Everything one call holds, over all its scopes. */
export interface Reservation {
  readonly scopes: readonly ScopeLimits[];
  readonly accounts: readonly Account[];
  /** One for each account. */
  readonly held: readonly Held[];
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
  readonly #blocks = accountBlocks();
  /** Epoch ms at which the monotonic clock was 0, as far as this process is concerned. */
  readonly #origin: number;
  /** Whether the processes that count with this one agree on that. */
  readonly hasSharedOrigin: boolean;
  /** The latest day seen: the wall may step, and a closed day stays closed. */
  #day: Period = { start: -Infinity, end: -Infinity };
  #changed: Account[] = [];
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
    this.reach(now);
    return {
      wall: Math.max(now, this.#day.start),
      steady: this.#origin + this.#world.clock(),
    };
  }

  account(id: string): Account {
    let account = this.#accounts.get(id);
    if (!account) this.#accounts.set(id, account = new Account(id, this.#blocks.take()));
    return account;
  }

  /** Opens the reservation of a call; it holds nothing yet. */
  open(scopes: readonly ScopeLimits[]): Reservation {
    const shared = this.#sharer !== null;
    return {
      scopes,
      accounts: scopes.map(({ id }) => this.account(id)),
      held: scopes.map(() => holdsNothing(shared)),
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
      const full = await first.sharer.cover(account, { limits, need }, take);
      if (full !== null) return { limits, account, key: full, needed: unitsOf(need, full) };
    }
    return null;
  }

  #hold(reservation: Reservation, need: Need, at: Moment): void {
    if (reservation.settled) return;
    const { accounts, held } = reservation;
    for (let scope = 0; scope < accounts.length; scope++) {
      accounts[scope]!.reserve(held[scope]!, need, at);
      if (this.#sharer !== null) this.#change(accounts[scope]!);
    }
    reservation.chargedAt = at.wall;
    if (this.#sharer !== null) this.onChange();
  }

  /** Gives back what is held under some limits, as if it had never been taken. */
  release({ accounts, held }: Reservation, keys: readonly LimitKey[]): void {
    const steady = this.#leaseTime();
    for (let scope = 0; scope < accounts.length; scope++) {
      accounts[scope]!.release(held[scope]!, keys, steady);
    }
  }

  /** Hands what one reservation holds under some limits to another, in the place of what that holds. */
  hand(from: Reservation, to: Reservation, keys: readonly LimitKey[]): void {
    if (to.settled) return this.release(from, keys);
    const steady = this.#leaseTime();
    for (let scope = 0; scope < to.accounts.length; scope++) {
      to.accounts[scope]!.hand(from.held[scope]!, to.held[scope]!, keys, steady);
    }
    to.chargedAt = Math.max(to.chargedAt, from.chargedAt);
  }

  /** Ends a reservation: what was not used returns, what was used above it is charged in full. */
  settle(reservation: Reservation, charge: Charge): void {
    if (reservation.settled) return;
    reservation.settled = true;
    if (reservation.chargedAt === 0) return;
    const { accounts, held } = reservation;
    this.#noteOverruns(reservation, charge);
    const steady = this.#leaseTime();
    for (let scope = 0; scope < accounts.length; scope++) {
      accounts[scope]!.settle(held[scope]!, charge, steady);
    }
    if (charge.calls === 0 && this.#sharer === null) return;
    for (const account of accounts) this.#change(account);
    this.onChange();
  }

  /** Units that were charged above what was reserved for them, by limit, since the start. */
  get overruns(): ReadonlyMap<LimitKey, number> {
    return this.#overruns;
  }

  #noteOverruns({ scopes, held }: Reservation, charge: Charge): void {
    for (let scope = 0; scope < scopes.length; scope++) {
      const { units } = held[scope]!;
      for (let place = 0; place < units.length; place++) {
        const key = LIMIT_KEYS[place]!;
        const above = chargedUnits(charge, key) - units[place]!;
        if (above <= 0 || scopes[scope]!.max[key] === 0) continue;
        this.#overruns.set(key, (this.#overruns.get(key) ?? 0) + above);
      }
    }
  }

  /** Only leases have a time to be settled at: a look at the clock costs as much as a settlement. */
  #leaseTime(): number {
    return this.#sharer === null ? 0 : this.moment().steady;
  }

  /** Adds what a call was charged with before this process began; `time` is epoch ms. */
  replay(id: string, charge: Charge, time: number): void {
    const account = this.account(id);
    account.add(charge, time, this.moment());
    this.#change(account);
  }

  /** What was settled for an account, to be restored by the next process. */
  stateOf(account: Account): AccountState {
    const at = this.moment();
    return account.save(at, Math.round(this.#world.now() - at.steady));
  }

  restore(id: string, state: AccountState): void {
    this.reach(state.day.requests[0]);
    this.account(id).restore(state, this.moment());
  }

  /** Opens the day of a time at which somebody counted, though the wall is behind; epoch ms. */
  reach(time: number): void {
    if (time >= this.#day.end) this.#day = periodAt("day", time);
  }

  /** How many accounts changed and were not taken. */
  get changes(): number {
    return this.#changed.length;
  }

  /** The accounts that changed since they were last taken, those first that did so first. */
  takeChanged(atMost = Infinity): Account[] {
    const changed = this.#changed.splice(0, atMost);
    for (const account of changed) account.changed = false;
    return changed;
  }

  /** Marks accounts as changed again: they could not be stored. */
  giveBack(accounts: Iterable<Account>): void {
    for (const account of accounts) this.#change(account);
  }

  /** A mark on the account itself: a set of all that changed would be one more place far away. */
  #change(account: Account): void {
    if (account.changed) return;
    account.changed = true;
    this.#changed.push(account);
  }

  #hasRoom(
    account: Account,
    key: LimitKey,
    needed: number,
    { max, at }: { readonly max: number; readonly at: Moment },
  ): boolean {
    return this.#sharer === null
      ? account.takenHere(key, at) + needed <= max
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
