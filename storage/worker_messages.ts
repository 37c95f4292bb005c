import type { LogLevel } from "../core/log.ts";
import type { LogEvent, LogFields } from "../core/log_events.ts";
import type { CallerTotals, ShipCounts } from "../core/record.ts";

/** What the storage worker is started with; times in ms. */
export interface WorkerSettings {
  readonly journalPath: string;
  readonly databasePath: string;
  readonly shipIntervalMs: number;
  readonly shipBatch: number;
  readonly keep: number;
  readonly routerVersion: string;
}

/** How shipping stands. */
export interface ShipStatus {
  readonly up: boolean;
  /** -1 while the database is down. */
  readonly unshippedBytes: number;
  readonly counts: ShipCounts;
  /** Failures since the start. */
  readonly failures: number;
}

/** What the serving thread says. */
export type ToWorker =
  | { readonly type: "start"; readonly settings: WorkerSettings }
  | {
    readonly type: "totals";
    readonly id: number;
    readonly callerId: string;
    readonly from: number;
    readonly to: number;
  }
  /** Ship until nothing is left, then say `closed`. */
  | { readonly type: "close" };

/** What the storage worker says. */
export type FromWorker =
  | { readonly type: "status" } & ShipStatus
  | { readonly type: "batch"; readonly ms: number }
  | { readonly type: "totals"; readonly id: number; readonly totals: CallerTotals }
  | { readonly type: "totals-failed"; readonly id: number; readonly reason: string }
  | {
    readonly type: "log";
    readonly level: LogLevel;
    readonly event: LogEvent;
    readonly msg: string;
    readonly fields: LogFields;
  }
  | { readonly type: "closed" };
