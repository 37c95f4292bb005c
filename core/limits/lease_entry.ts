import { IDLE_MS, isRolling, type LeaseBook, type LeaseCell, unspent } from "./lease_book.ts";
import { LIMIT_KEYS, type LimitKey, type Need, type ScopeLimits, unitsOf } from "./limit.ts";

/** What the store holds of one account: what all processes used, hold and have idle. */
export interface LeaseEntry {
  readonly windows: Partial<Record<LimitKey, LeaseWindow>>;
  /** Last line of each process's journal whose charges are in here. */
  readonly seqs: Readonly<Record<string, number>>;
  /** A number of each process's last write, by which it knows one whose answer was lost. */
  readonly turns?: Readonly<Record<string, number>>;
}

/** One limit of an account. */
export interface LeaseWindow {
  /** Begin of the period, epoch ms; 0 where there is none. */
  readonly start: number;
  /** Settled units of a period. */
  readonly used: number;
  /** Units by second of a rolling window: `[second, units, ...]`. */
  readonly seconds: readonly number[];
  /** Units of calls in flight, and units to spend, by process. */
  readonly slots: Readonly<Record<string, readonly [held: number, idle: number]>>;
}

/** Seconds for which units of a rolling window stay debited: 60, 1 to spend, 1 rounding, 1 skew. */
export const DEBIT_SECONDS = 63;

/** How much of its share a process gets for calls that have not come yet. */
const AHEAD_SHARE = 1 / 4;

/** A process that looks at an entry, and when. */
export interface LeaseWorld {
  /** Its name among the processes. */
  readonly slot: string;
  /** Last line of its journal. */
  readonly seq: number;
  readonly wall: number;
  readonly steady: number;
  /** Begin of the period of a limit, epoch ms. */
  windowOf(key: LimitKey): number;
  /** How many processes count here, as far as is known: a wrong number costs speed, never safety. */
  readonly processes: number;
  /** Processes that lived once and have said nothing for long. One that is not known yet is not dead. */
  readonly dead: ReadonlySet<string>;
}

/** A call that waits for units, and the limits that hold for it. */
export interface Waiting {
  readonly limits: ScopeLimits;
  readonly need: Need;
}

/** What becomes of a call that waits: it has its units, comes next, or a limit is in its way. */
export type Verdict = "granted" | "pending" | Obstacle;

/** A limit that has no room for what a call needs. */
export interface Obstacle {
  readonly key: LimitKey;
  /** It may fit when others give back what they do not use. */
  readonly mayFit: boolean;
}

/** Units of other processes. */
export interface ForeignUnits {
  /** All that stand against the limit. */
  readonly taken: number;
  /** Those of them that may come back; of a minute that is not known. */
  readonly reserved: number;
}

/** An entry as it should be written, and what is true once it is. */
export interface Synced {
  readonly entry: LeaseEntry;
  /** One for each that waits. */
  readonly verdicts: readonly Verdict[];
  /** Units of others, by limit. */
  readonly foreign: ReadonlyMap<LimitKey, ForeignUnits>;
  /** How far the steady time is ahead of that of the seconds, ms. */
  readonly shiftMs: number;
  /** To be called once the entry is written, or when it could not be: one of the two. */
  apply(): void;
  undo(): void;
}

/**
 * Puts a process's own numbers into an entry and grants it what the first that waits and fits needs;
 * more as far as others wait too and half of a fair share goes, and, while the limit is far away, what
 * is wanted soon, so that not every call has to ask. What goes back is withdrawn from the book at once:
 * it must not be spent while the entry is written.
 */
export function syncEntry(
  entry: LeaseEntry | null,
  book: LeaseBook,
  waiting: readonly Waiting[],
  world: LeaseWorld,
): Synced {
  const windows: Partial<Record<LimitKey, LeaseWindow>> = {};
  const steps: Step[] = [];
  const foreign = new Map<LimitKey, ForeignUnits>();
  for (const key of LIMIT_KEYS) {
    const before = entry?.windows[key];
    const own = isRolling(key)
      ? reportSeconds(before, book, key, world)
      : reportPeriod(before, book, key, world);
    windows[key] = own.window;
    steps.push(...own.steps);
    foreign.set(key, own.foreign);
  }
  const grants = grantsFor(windows, book, waiting, world);
  for (const { key, units } of grants.grants) {
    const window = granted(windows[key]!, key, units, world);
    windows[key] = window;
    steps.push({ apply: () => grantOwn(book, key, units, { window, world }), undo: () => {} });
  }
  return {
    entry: { ...entry, windows, seqs: { ...entry?.seqs, [world.slot]: world.seq } },
    verdicts: grants.verdicts,
    foreign,
    shiftMs: world.steady - world.wall,
    apply: () => steps.forEach(({ apply }) => apply()),
    undo: () => steps.forEach(({ undo }) => undo()),
  };
}

/** A change of the book that goes with a change of the entry. */
interface Step {
  apply(): void;
  undo(): void;
}

interface Reported {
  readonly window: LeaseWindow;
  readonly foreign: ForeignUnits;
  readonly steps: readonly Step[];
}

const sum = (numbers: readonly number[]) => numbers.reduce((total, number) => total + number, 0);

/** Settled units become used; what runs is held; what lay idle for a while goes back. */
function reportPeriod(
  before: LeaseWindow | undefined,
  book: LeaseBook,
  key: LimitKey,
  world: LeaseWorld,
): Reported {
  const start = Math.max(world.windowOf(key), before?.start ?? 0);
  const same = before?.start === start;
  const cell = book.cells(key).find(({ window }) => window === start);
  const slots = Object.fromEntries(
    Object.entries(same ? before.slots : {}).filter(([slot]) =>
      // A process that died lets go of what only counts while calls run.
      slot !== world.slot && (key !== "concurrent" || !world.dead.has(slot))
    ),
  );
  const others = sum(Object.values(slots).flat());
  const used = (same ? before.used : 0) + (cell ? cell.used - cell.reported : 0);
  const back = cell && isIdle(cell, world) ? unspent(cell) : 0;
  if (cell) slots[world.slot] = [cell.reserved, unspent(cell) - back];
  const steps = cell ? [withdraw(cell, cell.used, back)] : [];
  return {
    window: { start, used, seconds: [], slots },
    foreign: { taken: used - (cell?.used ?? 0) + others, reserved: others },
    steps,
  };
}

/** Units of a second are debited as long as its window may hold them; unspent ones go back. */
function reportSeconds(
  before: LeaseWindow | undefined,
  book: LeaseBook,
  key: LimitKey,
  world: LeaseWorld,
): Reported {
  const oldest = secondOf(world) - DEBIT_SECONDS + 1;
  // What lies further ahead was written before a clock stepped back.
  const newest = secondOf(world) + 1;
  const seconds = new Map<number, number>();
  const list = before?.seconds ?? [];
  for (let place = 0; place + 1 < list.length; place += 2) {
    const second = Math.min(list[place]!, newest);
    if (second < oldest) continue;
    seconds.set(second, (seconds.get(second) ?? 0) + list[place + 1]!);
  }
  // What needed no grant, as there is no limit, was not given a second.
  for (const cell of book.cells(key)) cell.window ||= secondOf(world);
  book.forget(key, oldest);
  let own = 0;
  let idle = 0;
  const steps: Step[] = [];
  for (const cell of book.cells(key)) {
    const left = unspent(cell);
    const back = left > 0 && (world.steady >= cell.expires || isIdle(cell, world)) ? left : 0;
    const units = cell.granted - back;
    seconds.set(cell.window, (seconds.get(cell.window) ?? 0) + units - cell.reported);
    own += units;
    idle += left - back;
    steps.push(withdraw(cell, units, back));
  }
  const { [world.slot]: _, ...others } = before?.slots ?? {};
  return {
    window: {
      start: 0,
      used: 0,
      seconds: [...seconds].filter(([, units]) => units > 0).flat(),
      slots: { ...others, [world.slot]: [0, idle] },
    },
    foreign: { taken: sum([...seconds.values()]) - own, reserved: 0 },
    steps,
  };
}

function isIdle({ touched }: LeaseCell, { steady }: LeaseWorld): boolean {
  return steady - touched >= IDLE_MS;
}

function withdraw(cell: LeaseCell, units: number, back: number): Step {
  cell.granted -= back;
  return {
    apply: () => void (cell.reported = units),
    undo: () => void (cell.granted += back),
  };
}

interface Grants {
  readonly grants: readonly { readonly key: LimitKey; readonly units: number }[];
  readonly verdicts: readonly Verdict[];
}

/** The first that fits gets all it needs; the others come next, wait, or do not fit. */
function grantsFor(
  windows: LeaseEntry["windows"],
  book: LeaseBook,
  waiting: readonly Waiting[],
  world: LeaseWorld,
): Grants {
  let grants: Grants["grants"] | null = null;
  const verdicts = waiting.map(({ limits, need }): Verdict => {
    if (grants !== null) return "pending";
    const lacking = need.flatMap(([key, needed]) =>
      lackOf(windows, book, { limits, key, needed }, world)
    );
    if (lacking.every(({ short, free }) => short <= free)) {
      grants = lacking.map(({ key, short, free }) => {
        const share = shareOf(free, world);
        const now = Math.min(wantedOf(waiting, key), share);
        const soon = Math.min(book.ahead(key, world.steady), Math.floor(share * AHEAD_SHARE));
        return { key, units: Math.max(short, now, soon) };
      });
      return "granted";
    }
    return obstacleOf(lacking);
  });
  return { grants: grants ?? [], verdicts };
}

/** The first limit that will not have room, else the first that has none now. */
function obstacleOf(lacking: readonly Lack[]): Obstacle {
  const full = lacking.find(({ short, free, idle }) => short > free + idle);
  const { key } = full ?? lacking.find(({ short, free }) => short > free)!;
  return { key, mayFit: full === undefined };
}

interface Lack {
  readonly key: LimitKey;
  /** Units that are needed beyond those at hand. */
  readonly short: number;
  readonly free: number;
  /** Units that others may give back. */
  readonly idle: number;
}

/** What is missing of one limit; nothing where there is none, or enough at hand. */
function lackOf(
  windows: LeaseEntry["windows"],
  book: LeaseBook,
  { limits, key, needed }: { limits: ScopeLimits; key: LimitKey; needed: number },
  world: LeaseWorld,
): readonly Lack[] {
  const limit = effectiveLimit(limits, key);
  const window = windows[key];
  if (limit === Infinity || !window) return [];
  const short = needed - book.left(key, window.start, world.steady);
  if (short <= 0) return [];
  const others = Object.entries(window.slots).filter(([slot]) => slot !== world.slot);
  const idle = sum(others.map(([, [, idle]]) => idle));
  return [{ key, short, free: limit - taken(window, key), idle }];
}

function wantedOf(waiting: readonly Waiting[], key: LimitKey): number {
  return sum(waiting.map(({ need }) => unitsOf(need, key)));
}

/** Half of what is a process's fair share of what is free. */
function shareOf(free: number, { processes }: LeaseWorld): number {
  return Math.floor(free / (2 * Math.max(1, processes)));
}

/** What is only counted has no limit here. */
function effectiveLimit({ max, onExhaust }: ScopeLimits, key: LimitKey): number {
  const warns = key === "lifetime.tokens" && onExhaust === "warn";
  return max[key] === 0 || warns ? Infinity : max[key];
}

/** Units that stand against a limit, over all processes. */
function taken({ used, seconds, slots }: LeaseWindow, key: LimitKey): number {
  if (isRolling(key)) return sum(seconds.filter((_, place) => place % 2 === 1));
  return used + sum(Object.values(slots).map(([held, idle]) => held + idle));
}

function secondOf({ wall }: LeaseWorld): number {
  return Math.floor(wall / 1_000);
}

/** Where a grant lands: the second of now, unless the newest one can still take it. */
function granted(
  window: LeaseWindow,
  key: LimitKey,
  units: number,
  world: LeaseWorld,
): LeaseWindow {
  const [held, idle] = window.slots[world.slot] ?? [0, 0];
  const slots = { ...window.slots, [world.slot]: [held, idle + units] as const };
  if (!isRolling(key)) return { ...window, slots };
  const second = secondOf(world);
  const seconds = [...window.seconds];
  const place = seconds.findIndex((value, index) => index % 2 === 0 && value === second);
  if (place < 0) seconds.push(second, units);
  else seconds[place + 1]! += units;
  return { ...window, seconds, slots };
}

function grantOwn(
  book: LeaseBook,
  key: LimitKey,
  units: number,
  { window: { start }, world }: { readonly window: LeaseWindow; readonly world: LeaseWorld },
): void {
  const window = isRolling(key) ? secondOf(world) : start;
  const cell = book.fetched(key, units, { window, steady: world.steady });
  if (isRolling(key)) cell.reported += units;
}
