import { type Period, periodAt, type PeriodName } from "../period.ts";
import { isRolling, LeaseBook, type LeaseCell, type RollingKey } from "./lease_book.ts";
import { type Charge, chargedUnits } from "./charge.ts";
import { NumberBlocks, type NumberPlace } from "./number_blocks.ts";
import type { ForeignUnits } from "./lease_entry.ts";
import { LIMIT_KEYS, type LimitKey, type Need, placeOf } from "./limit.ts";
import type { Moment } from "./moment.ts";
import { Pace } from "./pace.ts";
import { type Lane, type RollingState, RollingWindow, WINDOW_NUMBERS } from "./rolling_window.ts";
import { SHAPE_NUMBERS } from "./shape.ts";
import { sharedEmptyMs, type SharedMinute, sharedWaitMs } from "./shared_minute.ts";

/** Settled units of one day or month: its begin (epoch ms) and the units. */
export type PeriodState = readonly [start: number, used: number];

/** What was settled for an account, as it is stored; reservations are not part of it. */
export interface AccountState {
  readonly rpm: RollingState;
  readonly tpm: RollingState;
  readonly day: Readonly<Record<PeriodUnit, PeriodState>>;
  readonly month: Readonly<Record<PeriodUnit, PeriodState>>;
  readonly lifetime: number;
}

const PERIODS = ["day", "month"] as const satisfies readonly PeriodName[];
const PERIOD_UNITS = ["requests", "tokens", "cost"] as const;
type PeriodUnit = typeof PERIOD_UNITS[number];

/** What a call reserved of one account and did not settle yet, by place in `LIMIT_KEYS`. */
export interface Held {
  readonly units: number[];
  /** Where they are settled, a slot or the begin of a period; `NOT_HELD`: nothing is reserved. */
  readonly windows: number[];
  /** Where they were taken from; `null` unless several processes count in one store. */
  readonly leases: (LeaseCell | undefined)[] | null;
}

const NOT_HELD = -1;

/** Nothing held yet, of any of the limits. */
export function holdsNothing(shared: boolean): Held {
  // Written out (-1 is `NOT_HELD`), since nothing else makes a list half as fast.
  return {
    units: [0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    windows: [-1, -1, -1, -1, -1, -1, -1, -1, -1, -1],
    leases: shared ? [] : null,
  };
}

// The numbers of an account: begin and end of its day and its month, epoch ms, used and reserved units
// of each limit, the rolling window with those of a minute, and the buckets of its pace.
const [DAY, MONTH, UNITS] = [0, 2, 4];
const WINDOW = UNITS + 2 * LIMIT_KEYS.length;
const PACE = WINDOW + WINDOW_NUMBERS;
/** Whole cache lines of 64 bytes. */
const NUMBERS = 8 * Math.ceil((PACE + SHAPE_NUMBERS) / 8);

/** Gives places to the numbers of accounts. */
export function accountBlocks(): NumberBlocks {
  return new NumberBlocks(NUMBERS);
}

/** Where the period of a limit begins in the numbers; -1: it has none. By place. */
const PERIOD_AT = LIMIT_KEYS.map((key) =>
  key.startsWith("day.") ? DAY : key.startsWith("month.") ? MONTH : -1
);
/** Which lane of the rolling window a limit is; `null`: none. By place. */
const LANES = LIMIT_KEYS.map((key) => isRolling(key) ? laneOf(key) : null);

function laneOf(key: RollingKey): Lane {
  return key === "rpm" ? 0 : 1;
}

/** Nothing is known of other processes. */
const NOBODY: ReadonlyMap<LimitKey, ForeignUnits> = new Map();

/**
 * The counters of one caller, project or user. Everything is counted, whatever is limited.
 *
 * A call belongs to the day and month it was charged in, however long it runs; a clock that steps back
 * never opens a closed period again.
 */
export class Account {
  readonly id: string;
  readonly #numbers: Float64Array<ArrayBuffer>;
  readonly #begin: number;
  readonly #minute: RollingWindow;
  #pace: Pace | null = null;
  #lease: LeaseBook | null = null;
  /** Units of other processes, as last seen. */
  foreign = NOBODY;
  /** The minutes of all processes, as last seen; `null` unless several count in one store. */
  minutes: Readonly<Record<RollingKey, SharedMinute>> | null = null;
  /** Whether the ledger has it among those that are to be stored. */
  changed = false;

  constructor(id: string, { numbers, begin }: NumberPlace) {
    this.id = id;
    this.#numbers = numbers.fill(-Infinity, begin + DAY, begin + UNITS);
    this.#begin = begin;
    this.#minute = new RollingWindow({ numbers, begin: begin + WINDOW });
  }

  /** How its calls are paced, where they are. */
  get pace(): Pace {
    return this.#pace ??= new Pace({ numbers: this.#numbers, begin: this.#begin + PACE });
  }

  /** What this process holds of the limits, when several count in one store. */
  get lease(): LeaseBook {
    return this.#lease ??= new LeaseBook();
  }

  /** Units that stand against a limit now: used and reserved, here and elsewhere. */
  taken(key: LimitKey, at: Moment): number {
    const own = this.takenHere(key, at);
    return this.foreign === NOBODY ? own : own + (this.foreign.get(key)?.taken ?? 0);
  }

  /** Those of this process. */
  takenHere(key: LimitKey, at: Moment): number {
    const place = placeOf(key);
    const lane = LANES[place]!;
    if (lane !== null) return this.#minute.taken(lane, at.steady);
    this.#turn(at.wall);
    const used = this.#usedAt(place);
    return this.#numbers[used]! + this.#numbers[used + 1]!;
  }

  /** Those that are reserved. */
  reserved(key: LimitKey, at: Moment): number {
    return this.#reservedHere(key, at) + (this.foreign.get(key)?.reserved ?? 0);
  }

  #reservedHere(key: LimitKey, at: Moment): number {
    const place = placeOf(key);
    const lane = LANES[place]!;
    if (lane !== null) return this.#minute.reserved(lane, at.steady);
    this.#turn(at.wall);
    return this.#numbers[this.#usedAt(place) + 1]!;
  }

  /** Time until the minute of a limit is empty, ms. */
  emptyMs(key: RollingKey, { steady }: Moment): number {
    const own = this.#minute.emptyMs(laneOf(key), steady);
    return this.minutes === null ? own : Math.max(own, sharedEmptyMs(this.minutes[key], steady));
  }

  /** Time until `units` more fit under a limit of a minute that they fit under at all, ms. */
  waitMs(key: RollingKey, units: number, of: { limit: number; at: Moment }): number {
    const when = { limit: of.limit, steady: of.at.steady };
    const own = this.#minute.waitMs(laneOf(key), units, when);
    if (this.minutes === null) return own;
    return Math.max(own, sharedWaitMs(this.minutes[key], units, when));
  }

  /** The day or month that is open now. */
  period(name: PeriodName, { wall }: Moment): Period {
    this.#turn(wall);
    const begin = this.#begin + (name === "day" ? DAY : MONTH);
    return { start: this.#numbers[begin]!, end: this.#numbers[begin + 1]! };
  }

  /** Begin of the period a limit counts in now, epoch ms; 0 where there is none. */
  windowOf(key: LimitKey, at: Moment): number {
    this.#turn(at.wall);
    return this.#startOf(placeOf(key));
  }

  /** Reserves what a call needs. */
  reserve(held: Held, need: Need, at: Moment): void {
    this.#turn(at.wall);
    for (const [key, units] of need) {
      const place = placeOf(key);
      held.units[place] = units;
      held.windows[place] = this.#reserve(place, units, at);
      if (held.leases === null) continue;
      const window = this.#startOf(place);
      held.leases[place] = this.lease.take(key, units, { window, steady: at.steady });
    }
  }

  /** Turns all that is held into what was really used; a window that was left is not corrected. */
  settle(held: Held, charge: Charge, steady: number): void {
    for (let place = 0; place < LIMIT_KEYS.length; place++) {
      this.#settle(held, place, chargedUnits(charge, LIMIT_KEYS[place]!));
    }
    if (held.leases === null) return;
    for (const [place, lease] of held.leases.entries()) {
      const actual = chargedUnits(charge, LIMIT_KEYS[place]!);
      if (lease) this.lease.settle(lease, held.units[place]!, actual, steady);
    }
  }

  /** Gives back what is held under some limits, as if it had never been taken. */
  release(held: Held, keys: readonly LimitKey[], steady: number): void {
    for (const key of keys) {
      const place = placeOf(key);
      const lease = held.leases?.[place];
      if (lease) this.lease.settle(lease, held.units[place]!, 0, steady);
      if (held.leases !== null) held.leases[place] = undefined;
      this.#settle(held, place, 0);
    }
  }

  /** Hands what is held under some limits on, in the place of what is held there. */
  hand(from: Held, to: Held, keys: readonly LimitKey[], steady: number): void {
    this.release(to, keys, steady);
    for (const key of keys) {
      const place = placeOf(key);
      to.units[place] = from.units[place]!;
      to.windows[place] = from.windows[place]!;
      from.windows[place] = NOT_HELD;
      if (to.leases === null || from.leases === null) continue;
      to.leases[place] = from.leases[place];
      from.leases[place] = undefined;
    }
  }

  /** Adds what a call was charged with at a time (epoch ms). */
  add(charge: Charge, time: number, at: Moment): void {
    for (const key of LIMIT_KEYS) {
      const units = chargedUnits(charge, key);
      if (isRolling(key)) this.#minute.add(laneOf(key), units, { time, steady: at.steady });
      else this.#add(key, units, time, at);
    }
  }

  /** `shift` is how far the wall is ahead of the steady time, ms. */
  save(at: Moment, shift: number): AccountState {
    return {
      rpm: this.#minute.save(laneOf("rpm"), at.steady, shift),
      tpm: this.#minute.save(laneOf("tpm"), at.steady, shift),
      day: this.#savePeriod("day", at),
      month: this.#savePeriod("month", at),
      lifetime: this.#used("lifetime.tokens"),
    };
  }

  restore(state: AccountState, at: Moment): void {
    this.#minute.restore(laneOf("rpm"), state.rpm, at.steady);
    this.#minute.restore(laneOf("tpm"), state.tpm, at.steady);
    for (const period of PERIODS) {
      for (const unit of PERIOD_UNITS) {
        const [start, used] = state[period][unit];
        this.#add(`${period}.${unit}`, used, start, at);
      }
    }
    this.#add("lifetime.tokens", state.lifetime, at.wall, at);
  }

  #savePeriod(name: PeriodName, at: Moment): Readonly<Record<PeriodUnit, PeriodState>> {
    const { start } = this.period(name, at);
    const state = (unit: PeriodUnit) => [start, this.#used(`${name}.${unit}`)] as const;
    return { requests: state("requests"), tokens: state("tokens"), cost: state("cost") };
  }

  #used(key: LimitKey): number {
    return this.#numbers[this.#usedAt(placeOf(key))]!;
  }

  #reserve(place: number, units: number, { steady }: Moment): number {
    const lane = LANES[place]!;
    if (lane !== null) return this.#minute.reserve(lane, units, steady);
    this.#numbers[this.#usedAt(place) + 1]! += units;
    return this.#startOf(place);
  }

  #settle({ units, windows }: Held, place: number, actual: number): void {
    const window = windows[place]!;
    if (window === NOT_HELD) return;
    windows[place] = NOT_HELD;
    const reserved = units[place]!;
    const lane = LANES[place]!;
    if (lane !== null) return this.#minute.settle(lane, window, { reserved, actual });
    if (window !== this.#startOf(place)) return;
    const used = this.#usedAt(place);
    this.#numbers[used]! += actual;
    this.#numbers[used + 1]! -= reserved;
  }

  /** Adds settled units at a time; those of a closed period are gone. */
  #add(key: Exclude<LimitKey, RollingKey>, units: number, time: number, at: Moment): void {
    this.#turn(Math.max(at.wall, time));
    const place = placeOf(key);
    if (time >= this.#startOf(place)) this.#numbers[this.#usedAt(place)]! += units;
  }

  /** Opens the day and month of a time, if they have not begun yet. */
  #turn(wall: number): void {
    if (wall < this.#numbers[this.#begin + DAY + 1]!) return;
    this.#open("day", DAY, wall);
    if (wall >= this.#numbers[this.#begin + MONTH + 1]!) this.#open("month", MONTH, wall);
  }

  #open(name: PeriodName, begin: number, wall: number): void {
    const { start, end } = periodAt(name, wall);
    this.#numbers[this.#begin + begin] = start;
    this.#numbers[this.#begin + begin + 1] = end;
    for (const [place, from] of PERIOD_AT.entries()) {
      const used = this.#usedAt(place);
      if (from === begin) this.#numbers.fill(0, used, used + 2);
    }
  }

  /** Begin of the open period of a limit, epoch ms; 0 where there is none. */
  #startOf(place: number): number {
    const begin = PERIOD_AT[place]!;
    return begin < 0 ? 0 : this.#numbers[this.#begin + begin]!;
  }

  /** Where the used units of a limit are; the reserved ones follow. */
  #usedAt(place: number): number {
    return this.#begin + UNITS + 2 * place;
  }
}
