import { LeaseBook } from "./lease_book.ts";
import type { LimitKey } from "./limit.ts";
import { type Cell, type Meter, type Moment, PlainMeter } from "./meter.ts";
import { PeriodMeter, type PeriodState } from "./period_meter.ts";
import { RollingMeter, type RollingState } from "./rolling_meter.ts";

/** What was settled for an account, as it is stored; reservations are not part of it. */
export interface AccountState {
  readonly rpm: RollingState;
  readonly tpm: RollingState;
  readonly day: Readonly<Record<"requests" | "tokens" | "cost", PeriodState>>;
  readonly month: Readonly<Record<"requests" | "tokens" | "cost", PeriodState>>;
  readonly lifetime: number;
}

/** What one call is charged with; tokens are input and output, money is nano-USD. */
export interface Charge {
  /** 1 when it counts in `rpm`. */
  readonly calls: number;
  /** 1 when it counts in the requests of its day and month. */
  readonly requests: number;
  readonly tokens: number;
  readonly nusd: number;
}

/** A call that is charged nothing. */
export const NO_CHARGE: Charge = Object.freeze({ calls: 0, requests: 0, tokens: 0, nusd: 0 });

/** The units a charge has under a limit; what only runs has none in the end. */
export function chargedUnits(charge: Charge, key: LimitKey): number {
  switch (key) {
    case "rpm":
      return charge.calls;
    case "day.requests":
    case "month.requests":
      return charge.requests;
    case "tpm":
    case "day.tokens":
    case "month.tokens":
    case "lifetime.tokens":
      return charge.tokens;
    case "day.cost":
    case "month.cost":
      return charge.nusd;
    case "concurrent":
      return 0;
  }
}

const windows = () => ({
  "rpm": new RollingMeter(),
  "day.requests": new PeriodMeter("day"),
  "month.requests": new PeriodMeter("month"),
  "tpm": new RollingMeter(),
  "day.tokens": new PeriodMeter("day"),
  "month.tokens": new PeriodMeter("month"),
  "lifetime.tokens": new PlainMeter(),
  "concurrent": new PlainMeter(),
  "day.cost": new PeriodMeter("day"),
  "month.cost": new PeriodMeter("month"),
} satisfies Record<LimitKey, Meter>);

/** The counters of one caller, project or user. Everything is counted, whatever is limited. */
export class Account {
  readonly id: string;
  readonly meters = windows();
  /** What this process holds of the limits, when several count in one store. */
  readonly lease = new LeaseBook();
  /** Units of other processes, as last seen. */
  foreign: ReadonlyMap<LimitKey, number> = new Map();

  constructor(id: string) {
    this.id = id;
  }

  /** Units that stand against a limit now. */
  taken(key: LimitKey, at: Moment): number {
    return this.meters[key].taken(at) + (this.foreign.get(key) ?? 0);
  }

  /** Begin of the period a limit counts in now, epoch ms; 0 where there is none. */
  windowOf(key: LimitKey, at: Moment): number {
    const meter = this.meters[key];
    return meter instanceof PeriodMeter ? meter.period(at).start : 0;
  }

  /** Reserves units; gives the place where they are settled. */
  reserve(key: LimitKey, units: number, at: Moment): Cell {
    const meter: Meter = this.meters[key];
    const cell = meter.cellAt(at);
    meter.reserve(cell, units);
    return cell;
  }

  /** Adds what a call was charged with at a time (epoch ms). */
  add(charge: Charge, time: number, at: Moment): void {
    const { meters } = this;
    meters.rpm.add(charge.calls, time, at);
    meters.tpm.add(charge.tokens, time, at);
    for (const period of ["day", "month"] as const) {
      meters[`${period}.requests`].add(charge.requests, time, at);
      meters[`${period}.tokens`].add(charge.tokens, time, at);
      meters[`${period}.cost`].add(charge.nusd, time, at);
    }
    meters["lifetime.tokens"].settle(meters["lifetime.tokens"].cellAt(), 0, charge.tokens);
  }

  /** `shift` is how far the wall is ahead of the steady time, ms. */
  save(at: Moment, shift: number): AccountState {
    const { meters } = this;
    const period = (name: "day" | "month") => ({
      requests: meters[`${name}.requests`].save(at),
      tokens: meters[`${name}.tokens`].save(at),
      cost: meters[`${name}.cost`].save(at),
    });
    return {
      rpm: meters.rpm.save(at, shift),
      tpm: meters.tpm.save(at, shift),
      day: period("day"),
      month: period("month"),
      lifetime: meters["lifetime.tokens"].cellAt().used,
    };
  }

  restore(state: AccountState, at: Moment): void {
    const { meters } = this;
    meters.rpm.restore(state.rpm, at);
    meters.tpm.restore(state.tpm, at);
    for (const period of ["day", "month"] as const) {
      meters[`${period}.requests`].restore(state[period].requests, at);
      meters[`${period}.tokens`].restore(state[period].tokens, at);
      meters[`${period}.cost`].restore(state[period].cost, at);
    }
    meters["lifetime.tokens"].settle(meters["lifetime.tokens"].cellAt(), 0, state.lifetime);
  }
}
