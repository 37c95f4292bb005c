import type { DatabaseSync } from "node:sqlite";
import { dirname, join } from "node:path";
import { ExitError, type World } from "../core/command.ts";
import type { LoggingSettings, UsageDbSettings } from "../core/snapshot.ts";
import { assertCurrent } from "./migrate.ts";
import { migrations } from "./migrations/mod.ts";
import { usd } from "./render.ts";
import { openShipper } from "./ship_loop.ts";
import type { Shipper } from "./shipper.ts";
import { openSqliteReader } from "./sqlite.ts";
import type { TimeWindow } from "./time_window.ts";
import { isEqual, type Sums, type Verdict, verify } from "./verify.ts";

/** The part of the configuration that commands on the usage database need. */
export interface StorageSettings {
  readonly logging: LoggingSettings;
  readonly usageDb: UsageDbSettings;
}

/** Ships one batch of each journal, or with `drain` until nothing is left. */
export async function shipNow(
  settings: StorageSettings,
  world: World,
  { drain }: { drain: boolean },
): Promise<void> {
  using opened = await openForShipping(settings, world, settings.logging.keep);
  const { shipper } = opened;
  while (shipper.step() && drain);
  shipper.removeShipped();
  printCounts(world, shipper);
}

/**
 * Loads all segments of a folder into an empty database.
 *
 * @throws ExitError 1 when the database has calls already
 */
export async function rebuild(
  settings: StorageSettings,
  world: World,
  from: string,
): Promise<void> {
  const name = settings.logging.path.slice(dirname(settings.logging.path).length + 1);
  const logging = { ...settings.logging, path: join(from, name) };
  using opened = await openForShipping({ ...settings, logging }, world, null);
  if (opened.db.prepare("SELECT 1 FROM request_usage LIMIT 1").get()) {
    throw new ExitError(1, `Cannot rebuild "${settings.usageDb.path}": it has calls already`);
  }
  opened.db.exec("DELETE FROM usage_journal_offsets");
  while (opened.shipper.step());
  printCounts(world, opened.shipper);
}

/**
 * Prints how journal and database compare.
 *
 * @throws ExitError 1 when they differ
 */
export async function verifyNow(
  settings: StorageSettings,
  world: World,
  window: TimeWindow | null,
): Promise<void> {
  using db = openSqliteReader(settings.usageDb.path);
  await assertCurrent(db, migrations);
  const verdict = verify(db, settings.logging.path, window);
  world.print(describe(verdict));
  if (!isEqual(verdict)) throw new ExitError(1);
}

async function openForShipping(
  { logging, usageDb }: StorageSettings,
  world: World,
  keep: number | null,
): Promise<Disposable & { readonly db: DatabaseSync; readonly shipper: Shipper }> {
  Deno.mkdirSync(dirname(usageDb.path), { recursive: true, mode: 0o700 });
  const worker = {
    journalPath: logging.path,
    databasePath: usageDb.path,
    shipIntervalMs: usageDb.shipIntervalMs,
    shipBatch: usageDb.shipBatch,
    keep: logging.keep,
    routerVersion: "",
  };
  const log = (_level: string, _event: string, msg: string) => world.printError(msg);
  const opened = await openShipper(worker, { keep, report: { log } });
  return { ...opened, [Symbol.dispose]: () => opened.db.close() };
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
  const { journal, database, missing, different, extra, waiting, unreadable } = verdict;
  const line = (name: string, { rows, tokens, costNusd }: Sums) =>
    `${name.padEnd(10)}${String(rows).padStart(12)}${String(tokens).padStart(18)}` +
    `${usd(costNusd).padStart(22)}`;
  const ids = (what: string, list: readonly string[]) =>
    list.length === 0 ? [] : [
      `${what}: ${list.length} (${list.slice(0, SHOWN_IDS).join(", ")}${
        list.length > SHOWN_IDS ? ", ..." : ""
      })`,
    ];
  const surplus = verdict.segmentsRemoved ? "Rows of removed segments" : "Only in the database";
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
