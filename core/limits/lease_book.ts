import type { LimitKey } from "./limit.ts";

/** Units must be spent this long after they were granted in a rolling window, ms. */
const SPEND_MS = 1_000;

/** Units that nobody took for this long go back, and a grant is to last as long, ms. */
export const IDLE_MS = 100;
/** A grant is at most so many times what was taken of the one before. */
const MAX_GROWTH = 2;

/** Units of one window that this process was granted: a day, a month, all time, or a second of a minute. */
export interface LeaseCell {
  /** Settled units. */
  used: number;
  /** Units of calls that are not settled. */
  reserved: number;
  /** Begin of the period (epoch ms), or 0; or the second since the epoch, 0 until that is reported. */
  window: number;
  granted: number;
  /** What the store knows of it: settled units of a period, all units of a second. */
  reported: number;
  /** Steady ms at which unspent units are void. */
  readonly expires: number;
  /** Steady ms of the last change. */
  touched: number;
}

/** The limits of a rolling window. */
export type RollingKey = "rpm" | "tpm";

/** Whether a limit is that of a rolling window. */
export function isRolling(key: LimitKey): key is RollingKey {
  return key === "rpm" || key === "tpm";
}

/** What one process holds of the limits of one account, when several count in one store. */
export class LeaseBook {
  readonly #cells = new Map<LimitKey, LeaseCell[]>();
  /** What was taken since units were last fetched, and when that was (steady ms). */
  readonly #paces = new Map<LimitKey, { units: number; readonly since: number }>();

  /** Cells of a limit, the newest last. */
  cells(key: LimitKey): readonly LeaseCell[] {
    return this.#cells.get(key) ?? [];
  }

  /** Units that may be taken now without asking. */
  left(key: LimitKey, window: number, steady: number): number {
    const cell = this.#current(key, window, steady);
    return cell === undefined ? 0 : unspent(cell);
  }

  /** Takes units; without a limit there need be none. */
  take(key: LimitKey, units: number, at: { window: number; steady: number }): LeaseCell {
    const cell = this.#current(key, at.window, at.steady) ?? this.grant(key, 0, at);
    cell.reserved += units;
    const pace = this.#paces.get(key);
    if (pace) pace.units += units;
    cell.granted = Math.max(cell.granted, cell.used + cell.reserved);
    cell.touched = at.steady;
    return cell;
  }

  /** What is not used can be taken again; what was used above is part of the grant. */
  settle(cell: LeaseCell, reserved: number, actual: number, steady: number): void {
    cell.reserved -= reserved;
    cell.used += actual;
    cell.granted = Math.max(cell.granted, cell.used + cell.reserved);
    cell.touched = steady;
  }

  /** Adds units that were fetched to a window. */
  fetched(key: LimitKey, units: number, at: { window: number; steady: number }): LeaseCell {
    this.#paces.set(key, { units: 0, since: at.steady });
    return this.grant(key, units, at);
  }

  /** Units that will be wanted before long, as the last ones went; those of calls in flight come back. */
  ahead(key: LimitKey, steady: number): number {
    const pace = this.#paces.get(key);
    if (!pace || key === "concurrent") return 0;
    return Math.floor(pace.units * Math.min(MAX_GROWTH, IDLE_MS / (steady - pace.since)));
  }

  /** Adds granted units to a window. */
  grant(key: LimitKey, units: number, at: { window: number; steady: number }): LeaseCell {
    const cells = this.#cells.get(key) ?? [];
    const last = cells.at(-1);
    // Units of a period that is over are void.
    if (last && !isRolling(key) && at.window < last.window) return last;
    if (last?.window === at.window && at.steady < last.expires) {
      last.granted += units;
      last.touched = at.steady;
      return last;
    }
    const cell: LeaseCell = {
      window: at.window,
      granted: units,
      used: 0,
      reserved: 0,
      reported: 0,
      expires: isRolling(key) ? at.steady + SPEND_MS : Infinity,
      touched: at.steady,
    };
    this.#cells.set(key, isRolling(key) ? [...cells, cell] : [cell]);
    return cell;
  }

  /** Whether anything is held, idle, or not reported yet. */
  holdsUnits(): boolean {
    for (const [key, cells] of this.#cells) {
      for (const cell of cells) {
        const told = isRolling(key) ? cell.granted : cell.used;
        if (cell.reserved !== 0 || unspent(cell) !== 0 || told !== cell.reported) return true;
      }
    }
    return false;
  }

  /** Forgets seconds that nobody counts any more. */
  forget(key: LimitKey, before: number): void {
    const cells = this.#cells.get(key);
    if (cells?.[0] && cells[0].window < before) {
      this.#cells.set(key, cells.filter(({ window }) => window >= before));
    }
  }

  #current(key: LimitKey, window: number, steady: number): LeaseCell | undefined {
    const cell = this.#cells.get(key)?.at(-1);
    if (cell === undefined || steady >= cell.expires) return undefined;
    return isRolling(key) || cell.window === window ? cell : undefined;
  }
}

/** Granted units that are neither used nor reserved. */
export function unspent({ granted, used, reserved }: LeaseCell): number {
  return granted - used - reserved;
}
