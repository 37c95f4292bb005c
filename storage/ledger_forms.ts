import type { AccountState } from "../core/limits/account.ts";
import { isRolling } from "../core/limits/lease_book.ts";
import type { LeaseEntry, LeaseWindow } from "../core/limits/lease_entry.ts";
import { Ledger } from "../core/limits/ledger.ts";
import { LIMIT_KEYS, type LimitKey } from "../core/limits/limit.ts";
import { findJournals, readState } from "./journal_folder.ts";
import type { LeaseKv } from "./lease_kv.ts";
import { recoverLeases } from "./lease_recovery.ts";
import type { LedgerKv, StoredAccount } from "./ledger_kv.ts";
import { rebuild } from "./ledger_rebuild.ts";
import type { LedgerStoreOptions } from "./ledger_store_options.ts";

/** The two forms in which a store holds counters: those of one process, and those that several share. */
export interface LedgerForms {
  readonly alone: LedgerKv;
  readonly shared: LeaseKv;
}

/**
 * Gives what one process counted to several, or what the journals say where nothing is stored. A crash
 * on the way changes nothing: the next start does it again, before anybody counts.
 */
export async function shareCounters(
  { alone, shared }: LedgerForms,
  options: LedgerStoreOptions,
): Promise<void> {
  if (await alone.readHead() === null && !await isEmpty(shared)) return;
  const ledger = new Ledger(options);
  const ids = new Set<string>();
  for await (const { id } of alone.readAccounts()) ids.add(id);
  await rebuild(alone, { ...options, ledger });
  for (const { id } of ledger.takeChanged()) ids.add(id);
  const { journalId, seq } = options.journal.mark();
  for (const id of ids) {
    const entry = entryOf(ledger.stateOf(ledger.account(id)), { [journalId]: seq });
    const { version } = await shared.read(id);
    if (!await shared.replace(id, entry, version)) throw new Error("another gateway uses it");
  }
  await alone.clear();
}

async function isEmpty(shared: LeaseKv): Promise<boolean> {
  for await (const _ of shared.list()) return false;
  return true;
}

/** Gives what several processes counted to one; what they held and did not say goes by their journals. */
export async function unshareCounters(
  { alone, shared }: LedgerForms,
  { journal, snapshot, now }: LedgerStoreOptions,
): Promise<void> {
  const ids = await Array.fromAsync(shared.list());
  if (ids.length === 0) return;
  for (const files of findJournals(snapshot.server.logging.path)) {
    const slot = files.kind === "requests" ? readState(files)?.journalId : undefined;
    if (slot !== undefined) await recoverLeases(shared, { slot, files, seq: 0 });
  }
  const [mark, at] = [journal.mark(), now()];
  const accounts: StoredAccount[] = [];
  for (const id of ids) {
    const { entry } = await shared.read(id);
    if (entry !== null) accounts.push({ id, seq: mark.seq, at, state: stateOf(entry) });
  }
  await alone.write(accounts, { ...mark, at });
  await shared.clear();
}

function entryOf(state: AccountState, seqs: LeaseEntry["seqs"]): LeaseEntry {
  const { rpm, tpm, day, month, lifetime } = state;
  const period = ([start, used]: readonly [number, number]) => ({ ...EMPTY, start, used });
  const seconds = (slots: readonly number[]) => ({
    ...EMPTY,
    seconds: slots.map((value, place) => place % 2 === 0 ? Math.floor(value / 1_000) : value),
  });
  const windows: Record<LimitKey, LeaseWindow> = {
    "rpm": seconds(rpm),
    "tpm": seconds(tpm),
    "concurrent": EMPTY,
    "day.requests": period(day.requests),
    "day.tokens": period(day.tokens),
    "day.cost": period(day.cost),
    "month.requests": period(month.requests),
    "month.tokens": period(month.tokens),
    "month.cost": period(month.cost),
    "lifetime.tokens": { ...EMPTY, used: lifetime },
  };
  return { windows, seqs };
}

const EMPTY: LeaseWindow = { start: 0, used: 0, seconds: [], slots: {} };

/** What somebody holds of whom there is no journal here may have been used. */
function stateOf({ windows }: LeaseEntry): AccountState {
  const used = Object.fromEntries(LIMIT_KEYS.map((key) => {
    const { used = 0, slots = {} } = windows[key] ?? {};
    const held = isRolling(key) ? [] : Object.values(slots).flat();
    return [key, used + held.reduce((sum, units) => sum + units, 0)];
  })) as Record<LimitKey, number>;
  const period = (key: LimitKey) => [windows[key]?.start ?? 0, used[key]] as const;
  return {
    rpm: slotsOf(windows.rpm),
    tpm: slotsOf(windows.tpm),
    day: {
      requests: period("day.requests"),
      tokens: period("day.tokens"),
      cost: period("day.cost"),
    },
    month: {
      requests: period("month.requests"),
      tokens: period("month.tokens"),
      cost: period("month.cost"),
    },
    lifetime: used["lifetime.tokens"],
  };
}

/** Units of a second may have been spent until the end of the next one. */
function slotsOf(window: LeaseWindow | undefined): readonly number[] {
  const seconds = window?.seconds ?? [];
  return seconds.map((value, place) => place % 2 === 0 ? (value + 2) * 1_000 - 1 : value);
}
