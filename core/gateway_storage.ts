import type { CacheStore } from "./cache/entry.ts";
import type { Calibration } from "./calibration.ts";
import type { Ledger } from "./limits/ledger.ts";
import type { LedgerStore } from "./limits/ledger_store.ts";
import type { Log } from "./log.ts";
import type { PolicyRunner } from "./policy_runner.ts";
import type { Journal, UsageStore } from "./record.ts";
import type { Snapshot } from "./snapshot.ts";
import type { OpenSpool } from "./spool.ts";
import type { StateStore } from "./state_store.ts";
import type { Fleet } from "./workers/fleet.ts";

/** What the processes of a gateway share, and what outlives them. */
export interface GatewayState {
  readonly ledgerStore: LedgerStore;
  readonly facts: StateStore;
  /** The second level of the cache; `null`: off. */
  readonly cacheStore: CacheStore | null;
  /** `gw_` and 16 hex digits. */
  readonly gatewayId: string;
  /** Key of fingerprints, 32 bytes. */
  readonly fingerprintKey: Uint8Array;
  /** Made once for all processes that share the state. */
  readonly conversationSalt: string;
  /** Writes what is left and closes. Never throws. */
  close(): Promise<void>;
}

/** What a process that serves keeps. */
export interface GatewayStorage {
  readonly journal: Journal;
  /** Tells the journal the bytes that are not shipped, where somebody else ships them; `null`: unknown. */
  setUnshipped(bytes: number | null): void;
  /** `null`: somebody else ships, or nobody. */
  readonly store: UsageStore | null;
  readonly state: GatewayState;
  /** Where lines for policies wait. */
  readonly openSpool: OpenSpool;
}

/** What it is opened with. */
export interface StorageOptions {
  readonly snapshot: Snapshot;
  readonly log: Log;
  /** Brought to where it was. */
  readonly ledger: Ledger;
  /** Learns what is known. */
  readonly calibration: Calibration;
  /** Whose standing operators may ask for. */
  readonly policies: PolicyRunner;
  /** `null`: this process serves alone, and ships. */
  readonly fleet: Pick<Fleet, "worker"> | null;
  readonly replica: string | null;
  /** Recorded with migrations. */
  readonly routerVersion: string;
  /** Told of each batch that was shipped, and the ms it took. */
  onBatch(ms: number): void;
  /** Epoch ms. */
  now(): number;
  /** Monotonic ms. */
  clock(): number;
}

/** Opens the storage of a process that serves. */
export type OpenStorage = (options: StorageOptions) => Promise<GatewayStorage>;
