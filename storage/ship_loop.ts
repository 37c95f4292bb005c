import type { DatabaseSync } from "node:sqlite";
import type { LogLevel } from "../core/log.ts";
import type { LogEvent, LogFields } from "../core/log_events.ts";
import type { CallerTotals, ShipCounts } from "../core/record.ts";
import { callerTotals } from "./caller_totals.ts";
import { migrate } from "./migrate.ts";
import { migrations } from "./migrations/mod.ts";
import { createShipper, type Shipper } from "./shipper.ts";
import { openSqlite } from "./sqlite.ts";
import type { ShipStatus, WorkerSettings } from "./worker_messages.ts";

/** What the loop tells. */
export interface ShipReport {
  status(status: ShipStatus): void;
  /** A batch was shipped, in so many ms. */
  batch(ms: number): void;
  log(level: LogLevel, event: LogEvent, msg: string, fields: LogFields): void;
}

const FIRST_BACKOFF_MS = 500;
const MAX_BACKOFF_MS = 30_000;

/** Opens and migrates the database, and a shipper on it. */
export async function openShipper(
  settings: WorkerSettings,
  { keep, report }: { keep: number | null; report: Pick<ShipReport, "log"> },
): Promise<{ db: DatabaseSync; shipper: Shipper }> {
  const db = openSqlite(settings.databasePath);
  try {
    await migrate(db, { migrations, routerVersion: settings.routerVersion, now: Date.now });
    const shipper = createShipper({
      db,
      path: settings.journalPath,
      batchLines: settings.shipBatch,
      keep,
      now: Date.now,
      onRejected: (journal, reason) =>
        report.log("error", "line_rejected", "Cannot load a line of the journal", {
          journal,
          reason,
        }),
    });
    return { db, shipper };
  } catch (error) {
    db.close();
    throw error;
  }
}

/**
 * Ships each `shipIntervalMs`. What goes wrong closes the database and is tried again after 0.5 s to
 * 30 s, with jitter, for ever.
 */
export class ShipLoop {
  readonly #settings: WorkerSettings;
  readonly #report: ShipReport;
  #open: { db: DatabaseSync; shipper: Shipper } | null = null;
  /** What shippers before the present one did. */
  #before: ShipCounts = { inserted: 0, duplicate: 0, rejected: 0, gaps: 0 };
  /** In a row, and since the start. */
  #failures = 0;
  #allFailures = 0;
  #closing = false;
  #told = "";
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** Everything that touches the database, one after the other. */
  #queue: Promise<unknown> = Promise.resolve();

  /** Begins at once. */
  constructor(settings: WorkerSettings, report: ShipReport) {
    this.#settings = settings;
    this.#report = report;
    void this.#turn();
  }

  /** Ships what is there now, then adds up the rows of a caller; rejects while the database is down. */
  totals(query: { callerId: string; from: number; to: number }): Promise<CallerTotals> {
    return this.#inTurn(async () => callerTotals(await this.#ship(), query));
  }

  /** Ends when nothing is left to ship, however long that takes; the database is closed. */
  async close(): Promise<void> {
    this.#closing = true;
    clearTimeout(this.#timer);
    const shipped = () => this.#inTurn(() => this.#ship()).then(() => true, () => false);
    while (!await shipped()) await pause(FIRST_BACKOFF_MS);
    this.#open?.db.close();
    this.#open = null;
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#queue.then(work);
    this.#queue = done.catch(() => {});
    return done;
  }

  async #turn(): Promise<void> {
    let delay = this.#settings.shipIntervalMs;
    try {
      await this.#inTurn(() => this.#ship());
    } catch (error) {
      delay = backoff(this.#failures);
      this.#tellFailure(error, delay);
    }
    if (!this.#closing) this.#timer = setTimeout(() => this.#turn(), delay);
  }

  async #ship(): Promise<DatabaseSync> {
    try {
      const { keep } = this.#settings;
      this.#open ??= await openShipper(this.#settings, { keep, report: this.#report });
      const { db, shipper } = this.#open;
      while (this.#step(shipper)) this.#tell(true);
      shipper.removeShipped();
      this.#recovered();
      this.#tell(true);
      return db;
    } catch (error) {
      this.#failures += 1;
      this.#allFailures += 1;
      this.#tell(false);
      this.#before = this.#counts();
      this.#open?.db.close();
      this.#open = null;
      throw error;
    }
  }

  #step(shipper: Shipper): boolean {
    const started = performance.now();
    const shipped = shipper.step();
    if (shipped) this.#report.batch(performance.now() - started);
    return shipped;
  }

  #counts(): ShipCounts {
    const now = this.#open?.shipper.counts;
    return now ? sum(this.#before, now) : this.#before;
  }

  /** Says what changed; nothing when nothing did. */
  #tell(up: boolean): void {
    const counts = this.#counts();
    const bytes = this.#open?.shipper.unshippedBytes() ?? -1;
    const failures = this.#allFailures;
    const telling = [up, bytes, failures, ...Object.values(counts)].join();
    if (telling !== this.#told) {
      this.#report.status({ up, unshippedBytes: bytes, counts, failures });
    }
    this.#told = telling;
  }

  #tellFailure(error: unknown, delay_ms: number): void {
    const { name, message: reason, code } = error as Error & { readonly code?: string };
    const fields = { name, code, reason, delay_ms };
    this.#report.log("warn", "shipper_backoff", "Cannot ship to the usage database", fields);
  }

  #recovered(): void {
    const failures = this.#failures;
    this.#failures = 0;
    if (failures === 0) return;
    this.#report.log("info", "shipper_backoff", "Usage database is back", { failures });
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function backoff(failures: number): number {
  const full = Math.min(MAX_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** (failures - 1));
  return Math.round(full * (0.5 + Math.random() / 2));
}

function sum(a: ShipCounts, b: ShipCounts): ShipCounts {
  return {
    inserted: a.inserted + b.inserted,
    duplicate: a.duplicate + b.duplicate,
    rejected: a.rejected + b.rejected,
    gaps: a.gaps + b.gaps,
  };
}
