import type { Account } from "../core/limits/account.ts";
import type { RollingKey } from "../core/limits/lease_book.ts";
import { type Synced, syncEntry, type Verdict, type Waiting } from "../core/limits/lease_entry.ts";
import type { Sharer } from "../core/limits/ledger.ts";
import type { LimitKey } from "../core/limits/limit.ts";
import type { LedgerStore, LedgerStoreState } from "../core/limits/ledger_store.ts";
import { storeUnavailable } from "../core/limits/refusal.ts";
import type { LedgerSettings } from "../core/snapshot.ts";
import { wait, within } from "../core/wait.ts";
import type { LeaseKv } from "./lease_kv.ts";
import type { LedgerStoreOptions } from "./ledger_store_options.ts";
import { stateFault } from "./state_fault.ts";

/** Own numbers are written after this time, ms. */
const FLUSH_MS = 100;
const HEARTBEAT_MS = 2_000;
/** A process that said nothing for this long is dead, ms. */
const DEAD_MS = 10_000;
/** A process that could say nothing for this long admits nothing, ms. */
const MUTE_MS = 8_000;
/** A call that does not fit looks again, and gives up, ms. */
const LOOK_MS = 25;
const GIVE_UP_MS = 300;
/** Longest wait for a store that does not answer, ms. */
const ANSWER_MS = 2_000;
/** What is not written when the gateway ends waits for its next start, ms. */
const CLOSE_MS = 5_000;

/** A call that waits for units. */
interface Waiter extends Waiting {
  readonly arrived: number;
  take(): boolean;
  /** With the limit in its way; `null`: it has its units. */
  resolve(full: LimitKey | null): void;
  reject(error: Error): void;
}

/** When a process last told that it lives: epoch ms as it said, and ms of our own monotonic clock. */
interface Beat {
  readonly said: number;
  readonly heard: number;
}

/** What waits for one account; one look at the store at a time. */
interface Queue {
  readonly waiters: Waiter[];
  running: boolean;
  /** The store has not answered for long: who comes now is not made to wait as well. */
  stuck: boolean;
  /** A write that may have been done: what the store holds next time tells. */
  unsure: Unsure | null;
}

/** A write whose answer says that it failed, or never came. */
interface Unsure {
  readonly synced: Synced;
  readonly turn: number;
}

/**
 * Counts with other processes: no unit is admitted that was not debited from the shared store first.
 * Units that are at hand cost nothing; others are fetched for all calls that wait, in one commit.
 */
export class LeaseStore implements LedgerStore, Sharer {
  readonly #kv: LeaseKv;
  readonly #options: LedgerStoreOptions;
  readonly #slot: string;
  readonly #queues = new Map<Account, Queue>();
  #settings: Pick<LedgerSettings, "onFailure" | "graceMs">;
  readonly #beats = new Map<string, Beat>();
  /** Monotonic ms of the last answer of the store. */
  #answeredAt: number;
  #failingSince: number | null = null;
  #beat: ReturnType<typeof setTimeout> | undefined;
  #flush: ReturnType<typeof setTimeout> | undefined;
  #closed = false;

  constructor(kv: LeaseKv, beats: ReadonlyMap<string, number>, options: LedgerStoreOptions) {
    this.#kv = kv;
    this.#options = options;
    this.#slot = options.journal.mark().journalId;
    this.#settings = options.snapshot.server.ledger;
    this.#hear(beats);
    this.#answeredAt = options.clock();
    options.ledger.onChange = () => this.#flushSoon();
    options.ledger.share(this);
    this.#beatSoon();
  }

  get state(): LedgerStoreState {
    const { clock } = this.#options;
    const mute = clock() - this.#answeredAt > MUTE_MS;
    if (this.#failingSince === null && !mute) return "ok";
    return this.#hasGrace() ? "grace" : "down";
  }

  get processes(): number {
    return Math.max(1, this.#beats.size - this.#dead().length);
  }

  get refuses(): boolean {
    return this.#options.clock() - this.#answeredAt > MUTE_MS && !this.#hasGrace();
  }

  async refresh(accounts: readonly Account[]): Promise<void> {
    await Promise.all(accounts.map((account) => this.#report(account)));
  }

  configure(settings: Pick<LedgerSettings, "onFailure" | "graceMs">): void {
    this.#settings = settings;
  }

  cover(account: Account, waiting: Waiting, take: () => boolean): Promise<LimitKey | null> {
    const { promise, resolve, reject } = Promise.withResolvers<LimitKey | null>();
    const queue = this.#queueOf(account);
    queue.waiters.push({ ...waiting, arrived: this.#options.clock(), take, resolve, reject });
    if (queue.stuck) this.#release(account, queue);
    else void this.#run(account, queue);
    return promise;
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#beat);
    clearTimeout(this.#flush);
    const last = async () => {
      await wait(FLUSH_MS);
      for (const account of this.#unreported()) {
        while (this.#queueOf(account).running) await wait(LOOK_MS);
        await this.#report(account);
      }
      await this.#kv.leave(this.#slot);
    };
    await within(last(), CLOSE_MS).catch(() => {});
  }

  #hasGrace(): boolean {
    const { onFailure, graceMs } = this.#settings;
    const since = this.#failingSince ?? this.#answeredAt + MUTE_MS;
    return onFailure === "grace" && this.#options.clock() - since < graceMs;
  }

  #queueOf(account: Account): Queue {
    return this.#queues.getOrInsertComputed(
      account,
      () => ({ waiters: [], running: false, stuck: false, unsure: null }),
    );
  }

  /** Serves what waits, first come first served, until nothing does. */
  async #run(account: Account, queue: Queue): Promise<void> {
    if (queue.running) return;
    queue.running = true;
    try {
      while (queue.waiters.length > 0) {
        const asked = [...queue.waiters];
        const verdicts = await this.#answer(account, queue, asked);
        if (!this.#serve(queue, asked, verdicts)) await wait(LOOK_MS);
      }
    } catch (error) {
      this.#failed(stateFault(error));
      this.#release(account, queue);
    } finally {
      queue.running = false;
    }
    this.#flushSoon();
  }

  /** Looks at the store, once at a time: what was begun is waited for even if nobody else does. */
  async #answer(
    account: Account,
    queue: Queue,
    asked: readonly Waiter[],
  ): Promise<readonly Verdict[]> {
    const late = setTimeout(() => {
      queue.stuck = true;
      this.#failed("late");
      this.#release(account, queue);
    }, ANSWER_MS);
    try {
      const verdicts = await this.#sync(account, asked);
      this.#works();
      return verdicts;
    } finally {
      clearTimeout(late);
      queue.stuck = false;
    }
  }

  /** Tells those that were judged; false when all that is left has to look again later. */
  #serve(queue: Queue, asked: readonly Waiter[], verdicts: readonly Verdict[]): boolean {
    const now = this.#options.clock();
    let progress = false;
    asked.forEach((waiter, place) => {
      const waits = queue.waiters.indexOf(waiter);
      if (waits < 0) return;
      const full = fullFor(verdicts[place]!, now - waiter.arrived);
      if (full === null && !waiter.take()) return;
      queue.waiters.splice(waits, 1);
      waiter.resolve(full);
      progress = true;
    });
    return progress || verdicts.includes("granted");
  }

  /** The store does not answer: a limited grace, or a refusal. */
  #release(account: Account, queue: Queue): void {
    const moment = this.#options.ledger.moment();
    for (const waiter of queue.waiters.splice(0)) {
      if (!this.#hasGrace()) {
        waiter.reject(storeUnavailable());
        continue;
      }
      for (const [key, units] of waiter.need) {
        const window = account.windowOf(key, moment);
        account.lease.grant(key, units, { window, steady: moment.steady });
      }
      waiter.resolve(waiter.take() ? null : waiter.need[0]![0]);
    }
  }

  /** Reads, reports, grants and writes, until nobody came in between. */
  async #sync(account: Account, waiting: readonly Waiting[]): Promise<readonly Verdict[]> {
    for (;;) {
      const { entry, version } = await this.#kv.read(account.id);
      this.#makeSure(account, entry);
      const synced = this.#judge(account, entry, waiting);
      if (sameEntry(entry, synced.entry) || await this.#write(account, synced, version)) {
        synced.apply();
        see(account, synced);
        return synced.verdicts;
      }
      await wait(1 + 4 * Math.random());
    }
  }

  /**
   * A server may have written and its answer be lost; a client that asks once more then hears that
   * somebody came in between. So only an answer that says yes is believed.
   */
  async #write(account: Account, synced: Synced, version: string | null): Promise<boolean> {
    const turn = Math.random();
    const turns = { ...synced.entry.turns, [this.#slot]: turn };
    let written = false;
    try {
      written = await this.#kv.replace(account.id, { ...synced.entry, turns }, version);
    } finally {
      if (!written) this.#queueOf(account).unsure = { synced, turn };
    }
    return written;
  }

  /** Until then nothing of it was given back or granted: what it withdrew was spent by nobody. */
  #makeSure(account: Account, entry: Synced["entry"] | null): void {
    const queue = this.#queueOf(account);
    const { unsure } = queue;
    queue.unsure = null;
    if (unsure === null) return;
    if (entry?.turns?.[this.#slot] === unsure.turn) unsure.synced.apply();
    else unsure.synced.undo();
  }

  #judge(account: Account, entry: Synced["entry"] | null, waiting: readonly Waiting[]): Synced {
    const { ledger, journal, now } = this.#options;
    // Somebody's clock may be ahead of ours: units of the day it opened are of no use in another.
    for (const { start } of Object.values(entry?.windows ?? {})) ledger.reach(start);
    const at = ledger.moment();
    return syncEntry(entry, account.lease, waiting, {
      slot: this.#slot,
      seq: journal.mark().seq,
      wall: ledger.hasSharedOrigin ? at.steady : now(),
      steady: at.steady,
      windowOf: (key) => account.windowOf(key, at),
      processes: this.processes,
      dead: new Set(this.#dead()),
    });
  }

  /** Processes that lived once and have said nothing for long. */
  #dead(): readonly string[] {
    const now = this.#options.clock();
    return [...this.#beats].flatMap(([slot, { heard }]) =>
      slot !== this.#slot && now - heard >= DEAD_MS ? slot : []
    );
  }

  /** The age of a beat is believed once; then our own clock tells, since the wall may step. */
  #hear(beats: ReadonlyMap<string, number>): void {
    const { now, clock } = this.#options;
    for (const slot of [...this.#beats.keys()]) if (!beats.has(slot)) this.#beats.delete(slot);
    for (const [slot, said] of beats) {
      const before = this.#beats.get(slot);
      if (before?.said === said) continue;
      const age = before === undefined ? Math.max(0, now() - said) : 0;
      this.#beats.set(slot, { said, heard: clock() - age });
    }
  }

  #flushSoon(): void {
    if (this.#flush !== undefined || this.#closed) return;
    this.#flush = setTimeout(async () => {
      await this.#flushAll();
      this.#flush = undefined;
      // What changed while others were reported has woken nobody.
      if (this.#options.ledger.changes > 0 || this.#owing().length > 0) this.#flushSoon();
    }, FLUSH_MS);
    Deno.unrefTimer(this.#flush);
  }

  async #flushAll(): Promise<void> {
    for (const account of this.#unreported()) await this.#report(account);
  }

  #unreported(): ReadonlySet<Account> {
    return new Set([...this.#options.ledger.takeChanged(), ...this.#owing()]);
  }

  /** Accounts of which something is to be given back or reported, or was and nobody knows. */
  #owing(): readonly Account[] {
    return [...this.#queues].flatMap(([account, { unsure }]) =>
      unsure !== null || account.lease.holdsUnits() ? account : []
    );
  }

  /** Writes own numbers and reads those of others; later, if somebody is at it. */
  async #report(account: Account): Promise<void> {
    const queue = this.#queueOf(account);
    if (queue.running) return this.#options.ledger.giveBack([account]);
    queue.running = true;
    try {
      await this.#answer(account, queue, []);
    } catch (error) {
      this.#failed(stateFault(error));
      this.#options.ledger.giveBack([account]);
    } finally {
      queue.running = false;
    }
    if (queue.waiters.length > 0) void this.#run(account, queue);
  }

  #beatSoon(): void {
    this.#beat = setTimeout(async () => {
      const { now } = this.#options;
      try {
        const beats = await within(this.#kv.heartbeat(this.#slot, now()), ANSWER_MS);
        if (beats === null) throw new Error("Cannot wait longer for the store");
        this.#hear(beats);
        this.#works();
      } catch (error) {
        this.#failed(stateFault(error));
      }
      if (!this.#closed) this.#beatSoon();
    }, HEARTBEAT_MS);
    Deno.unrefTimer(this.#beat);
  }

  #works(): void {
    this.#answeredAt = this.#options.clock();
    if (this.#failingSince === null) return;
    this.#failingSince = null;
    const { log } = this.#options;
    log.write("info", "ledger_recovered", "Counters of limits are written again");
  }

  #failed(reason: string): void {
    if (this.#failingSince !== null) return;
    this.#failingSince = this.#options.clock();
    const { log } = this.#options;
    log.write("error", "ledger_failed", "Cannot reach the shared counters of limits", { reason });
  }
}

/** The limit that refuses a call which has waited so many ms; `null`: none does yet. */
function fullFor(verdict: Verdict, waitedMs: number): LimitKey | null {
  if (typeof verdict === "string") return null;
  return verdict.mayFit && waitedMs < GIVE_UP_MS ? null : verdict.key;
}

/** What a caller is told of its limits counts everybody. */
function see(account: Account, { entry: { windows }, foreign, shiftMs }: Synced): void {
  const minute = (key: RollingKey) => ({ seconds: windows[key]?.seconds ?? [], shiftMs });
  account.foreign = foreign;
  account.minutes = { rpm: minute("rpm"), tpm: minute("tpm") };
}

function sameEntry(before: unknown, after: unknown): boolean {
  return JSON.stringify(before) === JSON.stringify(after);
}
