import { type Period, periodAt, type PeriodName } from "../period.ts";
import { type Cell, CellMeter, type Moment } from "./meter.ts";

/** Settled units of one day or month: its begin (epoch ms) and the units. */
export type PeriodState = readonly [start: number, used: number];

/**
 * Units of the current UTC day or month. A call belongs to the period it was charged in, however long
 * it runs; a clock that steps back never opens a closed period again.
 */
export class PeriodMeter extends CellMeter {
  readonly #name: PeriodName;
  #period: Period = { start: -Infinity, end: -Infinity };
  #cell: Cell = { used: 0, reserved: 0 };

  constructor(name: PeriodName) {
    super();
    this.#name = name;
  }

  override cellAt({ wall }: Moment): Cell {
    if (wall >= this.#period.end) {
      this.#period = periodAt(this.#name, wall);
      this.#cell = { used: 0, reserved: 0 };
    }
    return this.#cell;
  }

  /** The period that is open now. */
  period(at: Moment): Period {
    this.cellAt(at);
    return this.#period;
  }

  save(at: Moment): PeriodState {
    const { used } = this.cellAt(at);
    return [this.#period.start, used];
  }

  /** Adds settled units at a time; those of a closed period are gone. */
  add(units: number, time: number, at: Moment): void {
    this.cellAt(at);
    if (time >= this.#period.end) this.cellAt({ ...at, wall: time });
    if (time >= this.#period.start) this.#cell.used += units;
  }

  restore([start, used]: PeriodState, at: Moment): void {
    this.add(used, start, at);
  }
}
