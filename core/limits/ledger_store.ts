import type { Account } from "./account.ts";

/** How the store of the counters stands; fixed codes. */
export type LedgerStoreState = "ok" | "grace" | "down";

/** Where the counters of limits outlive the process; written behind, never waited for by a call. */
export interface LedgerStore {
  readonly state: LedgerStoreState;
  /** Processes that count in it, as far as is known; at least 1. */
  readonly processes: number;
  /** Whether calls that are limited must not be admitted now. */
  readonly refuses: boolean;
  /** Looks what others counted meanwhile, where others do; never throws. */
  refresh(accounts: readonly Account[]): Promise<void>;
  /** Takes new settings after a reload. */
  configure(settings: { readonly onFailure: "refuse" | "grace"; readonly graceMs: number }): void;
  /** Writes what is left. */
  close(): Promise<void>;
}
