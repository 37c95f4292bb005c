import { dirname, join } from "node:path";
import { ExitError, type World } from "../core/command.ts";
import { makeFolder, openDatabase } from "./open_database.ts";
import type { StorageSettings } from "./database_flags.ts";
import { importJournal } from "./import_journal.ts";
import { assertCurrent } from "./migrate.ts";
import { migrations } from "./migrations/mod.ts";
import { findJournals } from "./journal_folder.ts";
import { type OpenShipper, openShipper } from "./open_shipper.ts";
import { usd } from "./reports/cell.ts";
import type { Shipper } from "./shipper.ts";
import type { TimeWindow } from "./time_window.ts";
import { isEqual, type Sums, type Verdict, verify } from "./verify.ts";

/** What these commands are given. */
interface Surroundings {
  readonly settings: Pick<StorageSettings, "logging" | "usageDb">;
  readonly world: World;
  /** Recorded with migrations. */
  readonly routerVersion: string;
}

/** Ships one batch of each journal, or with `drain` until nothing is left. */
export async function shipNow(
  surroundings: Surroundings,
  { drain }: { readonly drain?: true },
): Promise<void> {
  const { keep } = surroundings.settings.logging;
  const { db, shipper } = await openForShipping(surroundings, keep);
  await using _closed = db;
  while (await shipper.step() && drain);
  await shipper.removeShipped();
  printCounts(surroundings.world, shipper);
}

/**
 * Loads all segments of a folder into an empty database.
 *
 * @throws ExitError 1 when there is no journal, or the database has calls already
 */
export async function rebuild(surroundings: Surroundings, from: string): Promise<void> {
  const { logging, usageDb } = surroundings.settings;
  const path = join(from, logging.path.slice(dirname(logging.path).length + 1));
  if (findJournals(path).length === 0) {
    throw new ExitError(1, `Cannot rebuild the usage database: "${from}" holds no journal of it`);
  }
  const settings = { usageDb, logging: { ...logging, path } };
  const { db, shipper } = await openForShipping({ ...surroundings, settings }, null);
  await using _closed = db;
  if ((await db.query("SELECT 1 AS one FROM request_usage LIMIT 1")).length > 0) {
    throw new ExitError(1, "Cannot rebuild the usage database: it has calls already");
  }
  await db.query("DELETE FROM usage_journal_offsets");
  while (await shipper.step());
  printCounts(surroundings.world, shipper);
}

/**
 * Loads a file of journal lines.
 *
 * @throws ExitError 1 when lines were refused
 */
export async function importFile(
  { settings: { usageDb }, world }: Omit<Surroundings, "routerVersion">,
  path: string,
): Promise<void> {
  await using db = await openDatabase(usageDb, "write");
  await assertCurrent(db, migrations);
  const { inserted, duplicate, rejected, unreadable } = await importJournal(db, path, world.now());
  world.print(
    `Imported ${inserted} lines; ${duplicate} were there already, ${rejected} rejected`,
  );
  if (rejected > 0) throw new ExitError(1, unreadable ?? "");
}

/**
 * Prints how journal and database compare.
 *
 * @throws ExitError 1 when they differ
 */
export async function verifyNow(
  { settings, world }: Omit<Surroundings, "routerVersion">,
  window: TimeWindow | null,
): Promise<void> {
  await using db = await openDatabase(settings.usageDb, "read");
  await assertCurrent(db, migrations);
  const verdict = await verify(db, settings.logging.path, window);
  world.print(describe(verdict));
  if (!isEqual(verdict)) throw new ExitError(1);
}

function openForShipping(
  { settings: { logging, usageDb }, world, routerVersion }: Surroundings,
  keep: number | null,
): Promise<OpenShipper> {
  makeFolder(usageDb);
  const settings = {
    database: usageDb,
    migrationPolicy: usageDb.migrationPolicy,
    journalPath: logging.path,
    shipBatch: usageDb.shipBatch,
    routerVersion,
  };
  return openShipper(settings, { keep, log: (_level, _event, msg) => world.printError(msg) });
}

function printCounts(world: World, shipper: Shipper): void {
  const { counts } = shipper;
  world.print(
    `Shipped ${counts.inserted} lines; ${counts.duplicate} were there already, ` +
      `${counts.rejected} rejected; ${shipper.unshippedBytes()} bytes left`,
  );
}

const SHOWN_IDS = 10;

function describe(verdict: Verdict): string {
  const { journal, database, missing, different, extra, extraOf, waiting, unreadable } = verdict;
  const line = (name: string, { rows, tokens, costNusd }: Sums) =>
    `${name.padEnd(10)}${String(rows).padStart(12)}${String(tokens).padStart(18)}` +
    `${usd(costNusd).padStart(22)}`;
  const ids = (what: string, list: readonly string[]) =>
    list.length === 0 ? [] : [
      `${what}: ${list.length} (${list.slice(0, SHOWN_IDS).join(", ")}${
        list.length > SHOWN_IDS ? ", ..." : ""
      })`,
    ];
  const surplus = extraOf === null ? "Only in the database" : `Rows of ${extraOf}`;
  return [
    `${"".padEnd(10)}${"calls".padStart(12)}${"tokens".padStart(18)}${"cost USD".padStart(22)}`,
    line("journal", journal),
    line("database", database),
    ...ids("Missing in the database", missing),
    ...ids("Different", different),
    ...extra > 0 ? [`${surplus}: ${extra}`] : [],
    ...waiting > 0 ? [`Waiting to be shipped: ${waiting}`] : [],
    ...unreadable > 0 ? [`Lines that are no calls: ${unreadable}`] : [],
    isEqual(verdict) ? "Journal and database agree" : "Journal and database differ",
  ].join("\n");
}
