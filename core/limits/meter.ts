/** When something is charged. */
export interface Moment {
  /** Epoch ms of the wall clock, which may step. */
  readonly wall: number;
  /** Epoch ms that only ever grow at the pace of a monotonic clock. */
  readonly steady: number;
}

/** Where units land: a slot, a day, a month. What was charged there is settled there. */
export interface Cell {
  /** Settled units. */
  used: number;
  /** Units of calls that are not settled. */
  reserved: number;
}

/** Counts the units of one limit in its window. */
export interface Meter {
  /** Units that stand against the limit now: used and reserved. */
  taken(at: Moment): number;
  /** Those of them that are reserved. */
  reservedAt(at: Moment): number;
  /** Where units that are charged now land. */
  cellAt(at: Moment): Cell;
  /** Reserves units there. */
  reserve(cell: Cell, units: number): void;
  /** Turns a reservation into what was really used. */
  settle(cell: Cell, reserved: number, actual: number): void;
}

/** A meter that looks at one cell at a time. */
export abstract class CellMeter implements Meter {
  abstract cellAt(at: Moment): Cell;

  taken(at: Moment): number {
    const { used, reserved } = this.cellAt(at);
    return used + reserved;
  }

  reservedAt(at: Moment): number {
    return this.cellAt(at).reserved;
  }

  reserve(cell: Cell, units: number): void {
    cell.reserved += units;
  }

  settle(cell: Cell, reserved: number, actual: number): void {
    cell.reserved -= reserved;
    cell.used += actual;
  }
}

/** A count without a window: what runs now, or what was used for ever. */
export class PlainMeter extends CellMeter {
  readonly #cell: Cell = { used: 0, reserved: 0 };

  override cellAt(): Cell {
    return this.#cell;
  }
}
