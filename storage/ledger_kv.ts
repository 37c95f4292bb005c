import { dirname } from "node:path";
import type { AccountState } from "../core/limits/account.ts";
import { nextTurn, wait } from "../core/wait.ts";
import type { JournalMark } from "./journal.ts";

/** An account as it is stored: its counters, and the journal line up to which they count. */
export interface StoredAccount {
  readonly id: string;
  readonly seq: number;
  /** Epoch ms at which they stood so; older gateways left it out, and wrote all with the head. */
  readonly at?: number;
  readonly state: AccountState;
}

/** What the store holds as a whole: everything up to this mark is in the accounts, and maybe more. */
export interface LedgerHead extends JournalMark {
  /** Epoch ms. */
  readonly at: number;
}

/** The counters in a Deno KV database. */
export interface LedgerKv {
  readHead(): Promise<LedgerHead | null>;
  readAccounts(): AsyncIterable<StoredAccount>;
  /**
   * Writes accounts, in commits that are asked for one after the other, and the head with the last.
   * `onCommit` is told of each that was not the last.
   */
  write(
    accounts: Iterable<StoredAccount>,
    head: LedgerHead,
    onCommit?: () => void,
  ): Promise<void>;
  /** Removes everything of the ledger; without its head, the rest is not looked at. */
  clear(): Promise<void>;
}

/** Keys that are removed in one commit, of which Deno KV takes 1,000 mutations. */
const MAX_REMOVED = 900;
/**
 * Numbers of one commit: to hand it over takes the thread that serves about a millisecond, and calls
 * have their turn before the next. Deno KV would take 20 times as much.
 */
const COMMIT_NUMBERS = 3_072;
/** What an account takes beside its slots. */
const ACCOUNT_NUMBERS = 16;
/** Another process that writes the same file is waited for this often, 2 to 10 ms each. */
const LOCKED_TRIES = 50;

const HEAD = ["ledger", "head"];
const ACCOUNTS = ["ledger", "account"];

/** Whether a path is the URL of a KV Connect server. */
export function isRemote(path: string): boolean {
  return /^https?:\/\//i.test(path);
}

/** Opens the database; a file is made with mode 0600 in a folder with 0700. */
export async function openKv(path: string): Promise<Deno.Kv> {
  if (isRemote(path)) return await Deno.openKv(path);
  Deno.mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  Deno.openSync(path, { create: true, append: true, mode: 0o600 }).close();
  return await Deno.openKv(path);
}

/** The ledger's part of a database. */
export function createLedgerKv(kv: Deno.Kv): LedgerKv {
  return {
    async readHead() {
      return (await kv.get<LedgerHead>(HEAD)).value;
    },
    async *readAccounts() {
      for await (const { value } of kv.list<StoredAccount>({ prefix: ACCOUNTS })) yield value;
    },
    async write(accounts, head, onCommit) {
      let commit = kv.atomic();
      let numbers = 0;
      for (const account of accounts) {
        const size = ACCOUNT_NUMBERS + account.state.rpm.length + account.state.tpm.length;
        if (numbers > 0 && numbers + size > COMMIT_NUMBERS) {
          await whenUnlocked(() => commit.commit());
          onCommit?.();
          // On a busy machine one commit after the other may be done before anything else runs.
          await nextTurn();
          commit = kv.atomic();
          numbers = 0;
        }
        commit.set([...ACCOUNTS, account.id], account);
        numbers += size;
      }
      await whenUnlocked(() => commit.set(HEAD, head).commit());
    },
    async clear() {
      await whenUnlocked(() => kv.delete(HEAD));
      await removeAll(kv, ACCOUNTS);
    },
  };
}

/** Removes all keys below another. */
export async function removeAll(kv: Deno.Kv, prefix: Deno.KvKey): Promise<void> {
  const keys = await Array.fromAsync(kv.list({ prefix }), ({ key }) => key);
  for (let place = 0; place < keys.length; place += MAX_REMOVED) {
    const commit = kv.atomic();
    for (const key of keys.slice(place, place + MAX_REMOVED)) commit.delete(key);
    await whenUnlocked(() => commit.commit());
  }
}

/** Several processes on one file get in each other's way: that is no failure. */
export async function whenUnlocked<Result>(commit: () => Promise<Result>): Promise<Result> {
  for (let tries = 1;; tries++) {
    try {
      return await commit();
    } catch (error) {
      if (tries === LOCKED_TRIES || !isLocked(error)) throw error;
    }
    await wait(2 + 8 * Math.random());
  }
}

function isLocked(error: unknown): boolean {
  return error instanceof Error && /database is locked/.test(error.message);
}
