import type { CallerTotals, MigrationCounts, SchemaState, ShipCounts } from "../core/record.ts";
import { wait } from "../core/wait.ts";
import { callerTotals } from "./caller_totals.ts";
import type { UsageDatabase } from "./database.ts";
import { SchemaError } from "./migration.ts";
import { type OpenShipper, openShipper, type Tell } from "./open_shipper.ts";
import type { Shipper } from "./shipper.ts";
import { type InTurn, inTurns } from "./turns.ts";
import type { ShipStatus, WorkerSettings } from "./worker_messages.ts";

/** What the loop tells. */
export interface ShipReport {
  status(status: ShipStatus): void;
  /** A batch was shipped, in so many ms. */
  batch(ms: number): void;
  readonly log: Tell;
}

const FIRST_BACKOFF_MS = 500;
const MAX_BACKOFF_MS = 30_000;
/** Time between two looks at the clock for what is due. */
const CHORES_MS = 60_000;
/** Time between two looks at a schema that somebody else must change. */
const SCHEMA_MS = 10_000;

/**
 * Ships each `shipIntervalMs`. What goes wrong closes the database and is tried again after 0.5 s to
 * 30 s, with jitter, for ever.
 */
export class ShipLoop {
  readonly #settings: WorkerSettings;
  readonly #report: ShipReport;
  #open: OpenShipper | null = null;
  #schema: SchemaState = "ok";
  #migrations: MigrationCounts = { version: 0, pending: 0 };
  /** What shippers before the present one did. */
  #before: ShipCounts = { inserted: 0, duplicate: 0, rejected: 0, gaps: 0 };
  #failures = 0;
  #failuresInRow = 0;
  #closing = false;
  #told = "";
  #timer: ReturnType<typeof setTimeout> | undefined;
  #choresTimer: ReturnType<typeof setTimeout> | undefined;
  /** Everything that touches the database, one after the other. */
  #queue: Promise<unknown> = Promise.resolve();

  /** Begins at once. */
  constructor(settings: WorkerSettings, report: ShipReport) {
    this.#settings = settings;
    this.#report = report;
    void this.#turn();
    this.#choresLater();
  }

  /** Ships what is there now, then adds up the rows of a caller; rejects while the database is down. */
  totals(query: { callerId: string; from: number; to: number }): Promise<CallerTotals> {
    return this.#inTurn(async () => await callerTotals(await this.#ship(), query));
  }

  /** Ends when nothing is left to ship, however long that takes; the database is closed. */
  async close(): Promise<void> {
    this.#closing = true;
    clearTimeout(this.#timer);
    clearTimeout(this.#choresTimer);
    const shipped = () => this.#inTurn(() => this.#ship()).then(() => true, () => false);
    while (!await shipped()) await wait(FIRST_BACKOFF_MS);
    await this.#drop();
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
      // Whoever else asks in vain makes no turn later.
      this.#failuresInRow += 1;
      delay = this.#schema === "ok" ? backoff(this.#failuresInRow) : SCHEMA_MS;
      this.#tellFailure(error, delay);
    }
    this.#turnIn(delay);
  }

  #turnIn(ms: number): void {
    clearTimeout(this.#timer);
    if (!this.#closing) this.#timer = setTimeout(() => this.#turn(), ms);
  }

  /** A start has better things to do. */
  #choresLater(): void {
    this.#choresTimer = setTimeout(() => this.#doChores(), CHORES_MS);
  }

  /** Calls come first: they wait for one statement of a chore at most; what fails is tried again later. */
  async #doChores(): Promise<void> {
    const db = this.#open?.db;
    try {
      const { doChores } = await import("./chores.ts");
      const inTurn: InTurn = (work) => this.#inTurn(() => this.#unlessClosing(work));
      if (db) await doChores(inTurns(db, inTurn), this.#settings, Date.now());
    } catch (error) {
      const { name, message: reason } = error as Error;
      if (this.#closing) return;
      this.#report.log("warn", "chore_failed", "Cannot roll up or delete", { name, reason });
    }
    if (!this.#closing) this.#choresLater();
  }

  /** A gateway that ends waits for no purge: what is done is done, and the rest is due again. */
  #unlessClosing<T>(work: () => Promise<T>): Promise<T> {
    return this.#closing ? Promise.reject(new Error("Cannot go on: the store closes")) : work();
  }

  async #ship(): Promise<UsageDatabase> {
    try {
      this.#open ??= await openShipper(this.#settings, {
        keep: this.#settings.keep,
        log: this.#report.log,
        onMigrations: (counts) => this.#migrations = counts,
      });
      this.#schema = "ok";
      const { db, shipper } = this.#open;
      while (await this.#step(shipper)) this.#tell(true);
      await shipper.removeShipped();
      this.#recovered();
      this.#tell(true);
      return db;
    } catch (error) {
      this.#failures += 1;
      this.#schema = schemaState(error);
      this.#before = this.#counts();
      await this.#drop();
      this.#tell(false);
      throw error;
    }
  }

  async #step(shipper: Shipper): Promise<boolean> {
    const started = performance.now();
    const before = handled(shipper.counts);
    const more = await shipper.step();
    if (handled(shipper.counts) > before) this.#report.batch(performance.now() - started);
    return more;
  }

  /** Whatever state it is in, the next turn begins with a database that is opened again. */
  async #drop(): Promise<void> {
    const open = this.#open;
    this.#open = null;
    await open?.db[Symbol.asyncDispose]();
  }

  #counts(): ShipCounts {
    const now = this.#open?.shipper.counts;
    return now ? sum(this.#before, now) : this.#before;
  }

  /** Says what changed; nothing when nothing did. */
  #tell(up: boolean): void {
    const status = {
      up,
      schema: this.#schema,
      migrations: this.#migrations,
      unshippedBytes: this.#open?.shipper.unshippedBytes() ?? -1,
      failures: this.#failures,
      counts: this.#counts(),
    };
    const telling = JSON.stringify(status);
    if (telling !== this.#told) this.#report.status(status);
    this.#told = telling;
  }

  #tellFailure(error: unknown, delay_ms: number): void {
    const { name, message: reason, code } = error as Error & { readonly code?: string };
    const fields = { name, code, reason, delay_ms };
    if (this.#schema === "ok") {
      this.#report.log("warn", "shipper_backoff", "Cannot ship to the usage database", fields);
    } else if (this.#failuresInRow === 1) {
      this.#report.log("error", "migration_pending", "Cannot ship until the schema fits", fields);
    }
  }

  #recovered(): void {
    const failures = this.#failuresInRow;
    this.#failuresInRow = 0;
    if (failures === 0) return;
    this.#turnIn(this.#settings.shipIntervalMs);
    this.#report.log("info", "shipper_backoff", "Usage database is back", { failures });
  }
}

function schemaState(error: unknown): SchemaState {
  if (!(error instanceof SchemaError)) return "ok";
  switch (error.code) {
    case "migration-pending":
      return "pending";
    case "migration-newer":
      return "newer";
    case "migration-checksum-mismatch":
      return "checksum-mismatch";
    case "migration-locked":
      return "ok";
  }
}

function backoff(failures: number): number {
  const full = Math.min(MAX_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** (failures - 1));
  return Math.round(full * (0.5 + Math.random() / 2));
}

function handled({ inserted, duplicate, rejected }: ShipCounts): number {
  return inserted + duplicate + rejected;
}

function sum(a: ShipCounts, b: ShipCounts): ShipCounts {
  return {
    inserted: a.inserted + b.inserted,
    duplicate: a.duplicate + b.duplicate,
    rejected: a.rejected + b.rejected,
    gaps: a.gaps + b.gaps,
  };
}
