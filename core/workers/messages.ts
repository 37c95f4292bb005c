import type { ConfigFiles } from "../config/sources.ts";
import type { CallerTotals, SchemaState } from "../record.ts";
import type { Counts } from "./fleet.ts";

/** What a worker is started with. */
export interface WorkerStart {
  readonly worker: number;
  /** Path of the configuration, as it was given. */
  readonly path: string;
  /** Where all of them listen, `host:port`. */
  readonly listen: string;
  /** The configuration that the gateway started with: what only a restart changes is as it says. */
  readonly first: ConfigFiles;
  /** The one in force. */
  readonly latest: ConfigFiles;
  /** Epoch ms of a clock that all of them share and that never steps. */
  readonly steady: number;
  /** `null` when the usage database is off. */
  readonly shipping: Shipping | null;
}

/** How the usage database stands. */
export interface Shipping {
  readonly up: boolean;
  readonly schema: SchemaState;
  /** Of all journals; `null` while it is not known. */
  readonly unshippedBytes: number | null;
}

/** What a supervisor asks of a worker. */
export interface WorkerSide {
  /** Begins to serve; gives the address once it listens. */
  start(start: WorkerStart): Promise<string>;
  /** Brings a configuration into force; tells whether it was taken. */
  configure(files: ConfigFiles): Promise<boolean>;
  counts(): Promise<Counts>;
  ship(shipping: Shipping): void;
  /** Drains and ends; asked again, it does not wait for calls. */
  stop(): void;
}

/** What a worker asks of its supervisor. */
export interface SupervisorSide {
  /** Each second; with what it counted when that changed. */
  alive(counts: Counts | null): void;
  counts(): Promise<readonly Counts[]>;
  totals(callerId: string, from: number, to: number): Promise<CallerTotals>;
}
