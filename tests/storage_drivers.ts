import type { UsageStore } from "../core/record.ts";
import type { LoggingSettings } from "../core/snapshot.ts";
import { USAGE_DRIVERS } from "../core/usage_driver.ts";
import type { Queries, UsageDatabase } from "../storage/database.ts";
import { openDatabase } from "../storage/open_database.ts";
import { type OpenJournal, openJournal } from "../storage/journal.ts";
import { migrate } from "../storage/migrate.ts";
import { migrations } from "../storage/migrations/mod.ts";
import { createShipper, type Shipper } from "../storage/shipper.ts";
import { openUsageStore } from "../storage/store.ts";
import { type PostgresServer, startPostgres } from "./postgres.ts";
import { makePlace, type Place, record } from "./storage_fixture.ts";

let server: Promise<PostgresServer> | undefined;

/** The Postgres server of this file of tests; it starts when it is first asked for. */
export function postgresServer(): Promise<PostgresServer> {
  return server ??= startPostgres();
}

Deno.test.afterAll(async () => {
  await (await server)?.[Symbol.asyncDispose]();
});

/**
 * Registers a test once for each driver: whatever is promised of one is promised of all. The place has an empty database; `changes` replace settings of
 * its journal.
 */
export function onEachDriver(
  name: string,
  test: (place: Place) => Promise<void>,
  changes: Partial<LoggingSettings> = {},
): void {
  for (const driver of USAGE_DRIVERS) {
    Deno.test(`${driver}: ${name}`, async () => {
      using place = makePlace(changes);
      await test(driver === "sqlite" ? place : await onPostgres(place));
    });
  }
}

/** A place whose database is a new one on the server. */
export async function onPostgres(place: Place): Promise<Place> {
  const dsn = await (await postgresServer()).database();
  return { ...place, usageDb: { ...place.usageDb, driver: "postgres", dsn } };
}

/** An open database with a shipper on it. */
interface TestDatabase extends AsyncDisposable {
  readonly db: UsageDatabase;
  readonly shipper: Shipper;
}

/** Opens the database of a place, migrated, and a shipper that removes nothing. */
export async function openPlace(
  place: Place,
  changes: Partial<Parameters<typeof createShipper>[0]> = {},
): Promise<TestDatabase> {
  const db = await openDatabase(place.usageDb, "write");
  await migrate(db, { migrations, routerVersion: "test", now: Date.now });
  const shipper = createShipper({
    db,
    path: place.logging.path,
    batchLines: 500,
    keep: null,
    now: Date.now,
    onRejected() {},
    ...changes,
  });
  return { db, shipper, [Symbol.asyncDispose]: () => db[Symbol.asyncDispose]() };
}

/** Writes `record(first)` to `record(last)` to the journal of a place, and closes it. */
export async function writeRecords(place: Place, first: number, last: number): Promise<void> {
  const journal = openJournal(place.logging, { log: place.log, now: Date.now, shipped: true });
  for (let n = first; n <= last; n += 1) journal.append(record(n));
  await journal.close();
}

/**
 * Opens what a gateway has: the journal of a place, and the usage store that ships it; `changes` replace
 * what the journal writes with.
 */
export function openStores(
  place: Place,
  changes: Partial<Parameters<typeof openJournal>[1]> = {},
): { journal: OpenJournal; store: UsageStore } {
  const surroundings = { log: place.log, now: Date.now, shipped: true, ...changes };
  const journal = openJournal(place.logging, surroundings);
  const store = openUsageStore({
    logging: place.logging,
    usageDb: place.usageDb,
    rollups: place.rollups,
    retention: place.retention,
    log: place.log,
    routerVersion: "test",
    onStatus: journal.setUnshipped,
  });
  return { journal, store };
}

/** Ships until nothing is left. */
export async function shipAll(shipper: Shipper): Promise<void> {
  while (await shipper.step());
}

/** Ids of the calls in a database, in order. */
export async function shippedIds(db: Queries): Promise<string[]> {
  const rows = await db.query("SELECT request_id FROM request_usage ORDER BY request_id");
  return rows.map(({ request_id }) => String(request_id));
}

/** Counts the rows of a table. */
export async function countRows(db: Queries, table: string): Promise<number> {
  const [row] = await db.query(`SELECT count(*) AS n FROM ${table}`);
  return Number(row?.n);
}
