import type { Log } from "../core/log.ts";
import type {
  CallerTotals,
  MigrationCounts,
  SchemaState,
  ShipCounts,
  ShipFailures,
  UsageStore,
} from "../core/record.ts";
import type { ServerSettings } from "../core/snapshot.ts";
import { messageOf } from "../core/thrown.ts";
import { within } from "../core/wait.ts";
import { makeFolder } from "./open_database.ts";
import type { FromWorker, ShipStatus, ToWorker, WorkerSettings } from "./worker_messages.ts";
import { workerPermissions } from "./worker_permissions.ts";

/** What a usage store needs. */
export interface UsageStoreOptions
  extends Pick<ServerSettings, "logging" | "retention" | "rollups" | "usageDb"> {
  readonly log: Log;
  /** Recorded with migrations. */
  readonly routerVersion: string;
  /**
   * Told each time how much is not shipped, bytes (`null`: nobody knows), also when that is as before:
   * whoever writes lines counts on from there.
   */
  onStatus(unshippedBytes: number | null): void;
  /** Told of each batch that was shipped, and the ms it took. */
  onBatch?(ms: number): void;
}

/** A caller of `totals` that waits. */
interface Waiter {
  resolve(totals: CallerTotals): void;
  reject(error: Error): void;
}

const RESTART_MS = 5_000;

/**
 * Opens the usage database in a storage worker and returns at once; nothing waits for it. The worker
 * ships the journal, and is started again should it end.
 */
export function openUsageStore(options: UsageStoreOptions): UsageStore {
  return new WorkerStore(options);
}

class WorkerStore implements UsageStore {
  #status: ShipStatus = NOTHING_SHIPPED;
  /** Times that the thread ended. */
  #ended = 0;
  readonly #options: UsageStoreOptions;
  readonly #settings: WorkerSettings;
  readonly #waiters = new Map<number, Waiter>();
  readonly #closed = Promise.withResolvers<void>();
  #worker: Worker | null = null;
  #started = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #lastId = 0;

  constructor(options: UsageStoreOptions) {
    this.#options = options;
    this.#settings = workerSettings(options);
    // Starting a thread takes 30 ms: the gateway listens first.
    this.#timer = setTimeout(() => this.#start(), 0);
  }

  get up(): boolean {
    return this.#status.up;
  }

  get schema(): SchemaState {
    return this.#status.schema;
  }

  get unshippedBytes(): number | null {
    const { unshippedBytes } = this.#status;
    return unshippedBytes < 0 ? null : unshippedBytes;
  }

  get migrations(): MigrationCounts {
    return this.#status.migrations;
  }

  get counts(): ShipCounts {
    return this.#status.counts;
  }

  get failures(): ShipFailures {
    return { database: this.#status.failures, worker: this.#ended };
  }

  totals(callerId: string, from: number, to: number): Promise<CallerTotals> {
    if (!this.#started) this.#start();
    if (!this.#worker) {
      return Promise.reject(new Error("Cannot add up: the storage worker is down"));
    }
    const { promise, resolve, reject } = Promise.withResolvers<CallerTotals>();
    const id = this.#lastId += 1;
    this.#waiters.set(id, { resolve, reject });
    this.#send({ type: "totals", id, callerId, from, to });
    return promise;
  }

  async close(timeoutMs: number): Promise<void> {
    if (!this.#started) this.#start();
    clearTimeout(this.#timer);
    if (!this.#worker) return;
    this.#send({ type: "close" });
    await within(this.#closed.promise, timeoutMs);
    clearTimeout(this.#timer);
    this.#end("closed");
  }

  #send(message: ToWorker): void {
    this.#worker?.postMessage(message);
  }

  #start(): void {
    this.#started = true;
    clearTimeout(this.#timer);
    try {
      makeFolder(this.#settings.database);
      this.#worker = startWorker(this.#settings);
      this.#worker.onmessage = ({ data }: MessageEvent<FromWorker>) => this.#take(data);
      this.#worker.onerror = (event) => {
        event.preventDefault();
        this.#failed(event.message);
      };
      this.#send({ type: "start", settings: this.#settings });
    } catch (error) {
      this.#failed(messageOf(error));
    }
  }

  #failed(reason: string): void {
    this.#ended += 1;
    this.#end(reason);
    this.#options.log.write("error", "shipper_backoff", "Storage worker ended", { reason });
    this.#timer = setTimeout(() => this.#start(), RESTART_MS);
  }

  /** Stops the thread; who waits for it is told. */
  #end(reason: string): void {
    this.#worker?.terminate();
    this.#worker = null;
    this.#setStatus({ ...this.#status, up: false, unshippedBytes: -1 });
    for (const id of [...this.#waiters.keys()]) this.#settle(id)?.reject(cannotAddUp(reason));
  }

  #setStatus(status: ShipStatus): void {
    this.#status = status;
    this.#options.onStatus(this.unshippedBytes);
  }

  #settle(id: number): Waiter | undefined {
    const waiter = this.#waiters.get(id);
    this.#waiters.delete(id);
    return waiter;
  }

  #take(message: FromWorker): void {
    switch (message.type) {
      case "status":
        return this.#setStatus(message.status);
      case "batch":
        return this.#options.onBatch?.(message.ms);
      case "totals":
        return this.#settle(message.id)?.resolve(message.totals);
      case "totals-failed":
        return this.#settle(message.id)?.reject(cannotAddUp(message.reason));
      case "log": {
        const { level, event, msg, fields } = message;
        return this.#options.log.write(level, event, msg, fields);
      }
      case "closed":
        return this.#closed.resolve();
    }
  }
}

function cannotAddUp(reason: string): Error {
  return new Error(`Cannot add up: ${reason}`);
}

const NOTHING_SHIPPED: ShipStatus = {
  up: false,
  schema: "ok",
  migrations: { version: 0, pending: 0 },
  unshippedBytes: 0,
  failures: 0,
  counts: { inserted: 0, duplicate: 0, rejected: 0, gaps: 0 },
};

function workerSettings(options: UsageStoreOptions): WorkerSettings {
  const { logging, usageDb, rollups, retention, routerVersion } = options;
  const { driver, path, dsn, migrationPolicy, shipIntervalMs, shipBatch } = usageDb;
  return {
    database: { driver, path, dsn },
    migrationPolicy,
    journalPath: logging.path,
    shipIntervalMs,
    shipBatch,
    keep: logging.keep,
    rollups,
    retention,
    routerVersion,
  };
}

function startWorker(settings: WorkerSettings): Worker {
  return new Worker(new URL("./worker.ts", import.meta.url), {
    type: "module",
    deno: { permissions: workerPermissions(settings) },
  });
}
