import type { LogLevel } from "../core/log.ts";
import type { LogEvent, LogFields } from "../core/log_events.ts";
import type { CallerTotals, MigrationCounts, SchemaState, ShipCounts } from "../core/record.ts";
import type { ChoreOptions } from "./chores.ts";
import type { ShipSettings } from "./open_shipper.ts";

/** What the storage worker is started with; times in ms. */
export interface WorkerSettings extends ChoreOptions, ShipSettings {
  readonly shipIntervalMs: number;
  readonly keep: number;
}

/** How shipping stands. */
export interface ShipStatus {
  readonly up: boolean;
  readonly schema: SchemaState;
  readonly migrations: MigrationCounts;
  /** -1 while the database is down. */
  readonly unshippedBytes: number;
  readonly failures: number;
  readonly counts: ShipCounts;
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
  | { readonly type: "status"; readonly status: ShipStatus }
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
