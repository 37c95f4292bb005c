import { dirname } from "node:path";
import { Ledger } from "../core/limits/ledger.ts";
import type { UsageStore } from "../core/record.ts";
import { journalError, stateError } from "../core/start_error.ts";
import type { LedgerSettings, ServerSettings, Snapshot } from "../core/snapshot.ts";
import { type JournalWorld, type OpenJournal, openJournalSoon } from "./journal.ts";
import { findJournals } from "./journal_folder.ts";
import { isRemote, openKv } from "./ledger_kv.ts";
import { openLedgerStore } from "./ledger_store.ts";
import type { LedgerStoreOptions } from "./ledger_store_options.ts";
import { lockState } from "./state_lock.ts";
import { openUsageStore, type UsageStoreOptions } from "./store.ts";

/** Longest wait for a worker of an earlier supervisor to end, ms. */
export const HELD_MS = 10_000;

/**
 * Holds the state until the process ends.
 *
 * @throws {ExitError} when another gateway uses it
 */
export function holdState(ledger: LedgerSettings): void {
  try {
    lockState(ledger);
  } catch (error) {
    throw stateError(ledger, error);
  }
}

/** Opens a journal, at the latest after `waitMs`. @throws {ExitError} that says why it cannot */
export async function openJournalOrExit(
  { logging, usageDb }: ServerSettings,
  world: Omit<JournalWorld, "shipped">,
  waitMs: number,
): Promise<OpenJournal> {
  try {
    return await openJournalSoon(logging, { ...world, shipped: usageDb.enabled }, waitMs);
  } catch (error) {
    throw journalError(logging, error);
  }
}

/**
 * Brings the state into the form that workers share, before the first of them starts: what was counted
 * alone, and what those held that have no successor.
 *
 * @throws {ExitError} that says why it cannot
 */
export async function settleState(
  snapshot: Snapshot,
  world: Pick<LedgerStoreOptions, "log" | "now" | "clock">,
): Promise<void> {
  const { logging, workers } = snapshot.server;
  const writers = findJournals(logging.path).map(({ writer }) => writer);
  for (const writer of new Set([0, ...writers.filter((writer) => writer >= workers)])) {
    const journal = await openJournalOrExit(snapshot.server, { ...world, writer }, HELD_MS);
    await settleCounters({ snapshot, ledger: new Ledger(world), journal, ...world });
    await journal.close();
  }
}

async function settleCounters(options: LedgerStoreOptions): Promise<void> {
  const { ledger } = options.snapshot.server;
  try {
    using kv = await openKv(ledger.path);
    const store = await openLedgerStore(kv, options);
    await store.close();
  } catch (error) {
    throw stateError(ledger, error);
  }
}

/** Ships the records of calls, unless that is off. */
export function openStoreIfOn(
  { logging, usageDb, rollups, retention }: ServerSettings,
  told: Omit<UsageStoreOptions, "logging" | "usageDb" | "rollups" | "retention">,
): UsageStore | null {
  if (!usageDb.enabled) return null;
  return openUsageStore({ logging, usageDb, rollups, retention, ...told });
}

/** What processes that serve write to. */
export function stateFolders({ ledger, logging }: ServerSettings): readonly string[] {
  const state = isRemote(ledger.path) ? [] : [dirname(ledger.path)];
  return [...new Set([...state, dirname(logging.path)])];
}
