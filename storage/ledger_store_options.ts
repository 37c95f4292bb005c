import type { Ledger } from "../core/limits/ledger.ts";
import type { Log } from "../core/log.ts";
import type { Snapshot } from "../core/snapshot.ts";
import type { OpenJournal } from "./journal.ts";

/** What a store of counters needs. */
export interface LedgerStoreOptions {
  readonly snapshot: Snapshot;
  readonly ledger: Ledger;
  readonly journal: Pick<OpenJournal, "files" | "mark">;
  readonly log: Log;
  /** Epoch ms. */
  now(): number;
  /** Monotonic ms. */
  clock(): number;
}
