import type { Account } from "../core/limits/account.ts";
import type { LedgerStore, LedgerStoreState } from "../core/limits/ledger_store.ts";
import type { LedgerSettings } from "../core/snapshot.ts";
import { within } from "../core/wait.ts";
import { createLeaseKv } from "./lease_kv.ts";
import { recoverLeases } from "./lease_recovery.ts";
import { LeaseStore } from "./lease_store.ts";
import { type LedgerForms, shareCounters, unshareCounters } from "./ledger_forms.ts";
import { createLedgerKv, type LedgerKv, type StoredAccount } from "./ledger_kv.ts";
import { rebuild } from "./ledger_rebuild.ts";
import type { LedgerStoreOptions } from "./ledger_store_options.ts";
import { stateFault } from "./state_fault.ts";

/** Changes are written after this time, ms. */
const FLUSH_MS = 250;
/** A write that failed is tried again after this time, ms. */
const RETRY_MS = 500;
/** How long a commit may take, or a write fail, before the store counts as down, ms. */
const PATIENCE_MS = 1_000;
/** Accounts that are brought into the order of the store together: neighbours are cheaper to write. */
const SORTED = 1_024;
/** Longest wait for the last write when the gateway ends, ms. */
const CLOSE_MS = 5_000;

/**
 * Opens the store of the counters and brings the ledger to where it was: the stored counters, and the
 * journal lines behind them.
 *
 * @throws Error when the store cannot be used
 */
export async function openLedgerStore(
  kv: Deno.Kv,
  options: LedgerStoreOptions,
): Promise<LedgerStore> {
  const forms = { alone: createLedgerKv(kv), shared: createLeaseKv(kv) };
  if (options.snapshot.server.ledger.shared) return await openShared(forms, options);
  await unshareCounters(forms, options);
  const store = new WriteBehind(forms.alone, options);
  await rebuild(forms.alone, options);
  await store.flush();
  if (store.state !== "ok") throw new Error("its counters cannot be written");
  return store;
}

/** Joins the processes that count in one store. */
async function openShared(forms: LedgerForms, options: LedgerStoreOptions): Promise<LedgerStore> {
  await shareCounters(forms, options);
  const { files, mark } = options.journal;
  const { journalId: slot, seq } = mark();
  await recoverLeases(forms.shared, { slot, files, seq });
  return new LeaseStore(forms.shared, await forms.shared.heartbeat(slot, options.now()), options);
}

/** Writes changed counters behind the calls that change them. */
class WriteBehind implements LedgerStore {
  readonly processes = 1;
  readonly #kv: LedgerKv;
  readonly #options: LedgerStoreOptions;
  #settings: Pick<LedgerSettings, "onFailure" | "graceMs">;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #writing: Promise<void> | null = null;
  /** Monotonic ms since which something waits to be written that should have been; `null`: nothing. */
  #lateSince: number | null = null;
  #told = false;
  #closed = false;

  constructor(kv: LedgerKv, options: LedgerStoreOptions) {
    this.#kv = kv;
    this.#options = options;
    this.#settings = options.snapshot.server.ledger;
    options.ledger.onChange = () => this.#soon(FLUSH_MS);
  }

  get state(): LedgerStoreState {
    if (this.#lateSince === null) return "ok";
    const late = this.#options.clock() - this.#lateSince - PATIENCE_MS;
    if (late < 0) return "ok";
    const { onFailure, graceMs } = this.#settings;
    return onFailure === "grace" && late < graceMs ? "grace" : "down";
  }

  get refuses(): boolean {
    return this.#lateSince !== null && this.state === "down";
  }

  async refresh(): Promise<void> {}

  configure(settings: Pick<LedgerSettings, "onFailure" | "graceMs">): void {
    this.#settings = settings;
  }

  /**
   * Writes what changed until it was asked; what cannot be written waits. An account is written as it is
   * when its turn comes, and says so: the head stands for all of them, at the time it was asked.
   */
  flush(): Promise<void> {
    this.#writing ??= this.#write().finally(() => this.#writing = null);
    return this.#writing;
  }

  async close(): Promise<void> {
    clearTimeout(this.#timer);
    await within(this.flush().then(() => this.flush()), CLOSE_MS);
    clearTimeout(this.#timer);
    this.#closed = true;
  }

  #soon(ms: number): void {
    if (this.#timer !== undefined || this.#closed) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      void this.flush();
    }, ms);
    Deno.unrefTimer(this.#timer);
  }

  async #write(): Promise<void> {
    const { ledger, journal, now, clock } = this.#options;
    const head = { ...journal.mark(), at: now() };
    const taken: Account[] = [];
    this.#lateSince ??= clock();
    const patience = () => setTimeout(() => this.#tell("late"), PATIENCE_MS);
    let late = patience();
    const onCommit = () => {
      this.#lateSince = clock();
      clearTimeout(late);
      late = patience();
    };
    try {
      await this.#kv.write(this.#takeChanged(taken), head, onCommit);
      this.#lateSince = null;
      this.#tell(null);
    } catch (error) {
      ledger.giveBack(taken);
      this.#tell(stateFault(error));
      this.#soon(RETRY_MS);
    } finally {
      clearTimeout(late);
    }
  }

  /** Each account as it is when its turn comes, with the line up to which it counts then. */
  *#takeChanged(taken: Account[]): Iterable<StoredAccount> {
    const { ledger, journal, now } = this.#options;
    for (let left = ledger.changes; left > 0; left -= SORTED) {
      const accounts = ledger.takeChanged(Math.min(left, SORTED));
      taken.push(...accounts);
      accounts.sort((one, other) => one.id < other.id ? -1 : 1);
      for (const account of accounts) {
        const { seq } = journal.mark();
        yield { id: account.id, seq, at: now(), state: ledger.stateOf(account) };
      }
    }
  }

  /** Once when it begins to fail, and once when it works again. */
  #tell(reason: string | null): void {
    const { log } = this.#options;
    if (reason !== null && !this.#told) {
      log.write("error", "ledger_failed", "Cannot write the counters of limits", { reason });
    }
    if (reason === null && this.#told) {
      log.write("info", "ledger_recovered", "Counters of limits are written again");
    }
    this.#told = reason !== null;
  }
}
