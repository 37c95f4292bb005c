import type { LogLevel } from "../core/log.ts";
import type { LogEvent, LogFields } from "../core/log_events.ts";
import type { MigrationCounts } from "../core/record.ts";
import type { UsageDbSettings } from "../core/snapshot.ts";
import type { DatabasePlace, UsageDatabase } from "./database.ts";
import { openDatabase } from "./open_database.ts";
import { assertCurrent, migrate, readLedger } from "./migrate.ts";
import { migrations } from "./migrations/mod.ts";
import { createShipper, type Shipper } from "./shipper.ts";

/** What shipping is done with; times in ms. */
export interface ShipSettings {
  readonly database: DatabasePlace;
  readonly migrationPolicy: UsageDbSettings["migrationPolicy"];
  readonly journalPath: string;
  readonly shipBatch: number;
  /** Recorded with migrations. */
  readonly routerVersion: string;
}

/** A shipper and its database. */
export interface OpenShipper {
  readonly db: UsageDatabase;
  readonly shipper: Shipper;
}

/** What a shipper is opened with besides its settings. */
export interface OpenShipperOptions {
  /** Shipped segments that stay; `null`: nothing is removed. */
  readonly keep: number | null;
  readonly log: Tell;
  /** Told how the schema stands, also when it cannot be worked with. */
  onMigrations?(counts: MigrationCounts): void;
}

/** Tells an event to who keeps the log. */
export type Tell = (level: LogLevel, event: LogEvent, msg: string, fields: LogFields) => void;

/**
 * Opens the database, and a shipper on it. Under `auto-safe` what may be applied at a start is applied.
 *
 * @throws SchemaError when the schema is not the one of this program, or what the database says
 */
export async function openShipper(
  settings: ShipSettings,
  { keep, log, onMigrations }: OpenShipperOptions,
): Promise<OpenShipper> {
  const db = await openDatabase(settings.database, "write");
  try {
    await prepareSchema(db, settings, onMigrations);
    const shipper = createShipper({
      db,
      path: settings.journalPath,
      batchLines: settings.shipBatch,
      keep,
      now: Date.now,
      onRejected: (journal, reason) =>
        log("error", "line_rejected", "Cannot load a line of the journal", { journal, reason }),
    });
    return { db, shipper };
  } catch (error) {
    await db[Symbol.asyncDispose]();
    throw error;
  }
}

async function prepareSchema(
  db: UsageDatabase,
  { migrationPolicy, routerVersion }: ShipSettings,
  onMigrations: OpenShipperOptions["onMigrations"],
): Promise<void> {
  if (migrationPolicy === "auto-safe") {
    await migrate(db, { migrations, routerVersion, now: Date.now, safeOnly: true });
  }
  const ids = (await readLedger(db, db.engine)).map(({ id }) => id);
  const pending = migrations.filter(({ id }) => !ids.includes(id)).length;
  onMigrations?.({ version: Math.max(0, ...ids), pending });
  await assertCurrent(db, migrations);
}
