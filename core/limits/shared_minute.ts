import { DEBIT_SECONDS, type LeaseWindow } from "./lease_entry.ts";

/** The units of a minute that several processes count together, as last seen. */
export interface SharedMinute extends Pick<LeaseWindow, "seconds"> {
  /** How far the steady time of this process is ahead of the time of the seconds, ms. */
  readonly shiftMs: number;
}

/** Units, and the steady ms at which they leave. */
type Leaving = readonly [at: number, units: number];

/** Time until `units` more fit under a limit that they fit under at all, ms. */
export function sharedWaitMs(
  minute: SharedMinute,
  units: number,
  { limit, steady }: { readonly limit: number; readonly steady: number },
): number {
  const leaving = leavingOf(minute, steady);
  let taken = leaving.reduce((sum, [, units]) => sum + units, 0);
  for (const [at, left] of leaving) {
    if (taken + units <= limit) return 0;
    taken -= left;
    if (taken + units <= limit) return at - steady;
  }
  return 0;
}

/** Time until none of its units is left, ms. */
export function sharedEmptyMs(minute: SharedMinute, steady: number): number {
  const [at = steady] = leavingOf(minute, steady).at(-1) ?? [];
  return at - steady;
}

/** Those that are still there, the oldest first. */
function leavingOf({ seconds, shiftMs }: SharedMinute, steady: number): readonly Leaving[] {
  const found: Leaving[] = [];
  for (let place = 0; place + 1 < seconds.length; place += 2) {
    const at = (seconds[place]! + DEBIT_SECONDS) * 1_000 + shiftMs;
    if (at > steady) found.push([at, seconds[place + 1]!]);
  }
  return found.sort(([a], [b]) => a - b);
}
