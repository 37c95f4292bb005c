import type { Command } from "commander";
import { examples, ExitError, type World } from "../core/command.ts";
import { parseDuration } from "../core/config/duration.ts";
import type { DatabasePlace } from "./database.ts";
import { makeFolder, openDatabase } from "./open_database.ts";
import {
  type DatabaseFlags,
  databaseOf,
  orDatabaseError,
  type StorageCommandOptions,
  type Surroundings,
  withDatabaseFlags,
} from "./database_flags.ts";
import { migrate } from "./migrate.ts";
import type { Migration } from "./migration.ts";
import { migrations } from "./migrations/mod.ts";
import { planOf, printPlan, printStatus } from "./migrate_output.ts";
import { emptyStatus, type SchemaStatus, schemaStatus } from "./schema_status.ts";

interface Flags extends DatabaseFlags {
  readonly json?: true;
}

interface ApplyFlags extends DatabaseFlags {
  readonly to?: string;
  readonly backupRef?: string;
  readonly lockTimeout: string;
  readonly statementTimeout: string;
}

/** What is left to do; a pipeline can tell it from a failure. */
const PENDING = 3;

const PLAN_HELP = examples(
  "pointsman migrate plan --config config.yaml",
  "pointsman migrate plan --dsn-env ROUTER_USAGE_DB_DSN --json",
);

const APPLY_HELP = examples(
  "pointsman migrate apply --dsn-env ROUTER_USAGE_DB_DSN",
  "pointsman migrate apply --to 8 --backup-ref nightly-2026-11-20",
);

const STATUS_HELP = examples(
  "pointsman migrate status",
  "pointsman migrate status --driver sqlite --db state/usage.sqlite",
);

/** Adds `migrate plan|apply|status`. */
export function addMigrateCommands(
  program: Command,
  world: World,
  options: StorageCommandOptions,
): void {
  const command = program.command("migrate").description("look after the usage database's schema");
  const surroundings = { world, ...options };

  withDatabaseFlags(command.command("plan"))
    .description("print what apply would do; exit 3 when there is something")
    .option("--json", "print JSON")
    .addHelpText("after", PLAN_HELP)
    .action((flags: Flags) => orDatabaseError(() => plan(flags, surroundings)));
  withDatabaseFlags(command.command("apply"))
    .description("apply what is pending; exit 1 when it cannot")
    .option("--to <id>", "the last migration to apply")
    .option("--backup-ref <text>", "names the backup; needed when there is no way back")
    .option("--lock-timeout <span>", "longest wait for another process that migrates", "30s")
    .option("--statement-timeout <span>", "longest statement", "5m")
    .addHelpText("after", APPLY_HELP)
    .action((flags: ApplyFlags) => orDatabaseError(() => apply(flags, surroundings)));
  withDatabaseFlags(command.command("status"))
    .description("print the ledger; exit 3 when something is pending, 1 when something is wrong")
    .option("--json", "print JSON")
    .addHelpText("after", STATUS_HELP)
    .action((flags: Flags) => orDatabaseError(() => status(flags, surroundings)));
}

async function plan({ json, ...flags }: Flags, surroundings: Surroundings): Promise<void> {
  const place = await databaseOf(flags, surroundings);
  if (isMissing(place)) {
    surroundings.world.print(printPlan(await planOf(null, migrations), json));
    throw new ExitError(PENDING);
  }
  await using db = await openDatabase(place, "read");
  const { pending, faults } = await schemaStatus(db, migrations);
  surroundings.world.print(printPlan(await planOf(db, pending), json));
  refuse(faults);
  if (pending.length > 0) throw new ExitError(PENDING);
}

async function apply(flags: ApplyFlags, surroundings: Surroundings): Promise<void> {
  const { world, routerVersion } = surroundings;
  const place = await databaseOf(flags, surroundings);
  const options = {
    migrations,
    routerVersion,
    now: world.now,
    ...flags.to === undefined ? {} : { to: parseId(flags.to) },
    backupRef: flags.backupRef ?? "",
    lockMs: parseSpan("--lock-timeout", flags.lockTimeout),
    statementMs: parseSpan("--statement-timeout", flags.statementTimeout),
  };
  makeFolder(place);
  await using db = await openDatabase(place, "write");
  const { pending } = await schemaStatus(db, migrations);
  const asked = pending.filter(({ id }) => id <= (options.to ?? id));
  if (options.backupRef === "") refuseWithoutBackup(asked);
  const applied = await migrate(db, options);
  for (const id of applied) world.print(`Applied ${nameOf(id)}`);
  refuse((await schemaStatus(db, migrations)).faults);
  world.print(applied.length === 0 ? "Nothing to apply" : `Applied ${applied.length} in all`);
}

async function status({ json, ...flags }: Flags, surroundings: Surroundings): Promise<void> {
  const found = await readStatus(await databaseOf(flags, surroundings));
  surroundings.world.print(printStatus(found, json));
  if (found.faults.length > 0) throw new ExitError(1);
  if (found.pending.length + found.jobs.length > 0) throw new ExitError(PENDING);
}

async function readStatus(place: DatabasePlace): Promise<SchemaStatus> {
  if (isMissing(place)) return emptyStatus(migrations);
  await using db = await openDatabase(place, "read");
  return await schemaStatus(db, migrations);
}

/** A file that is made by the first apply. */
function isMissing({ driver, path }: DatabasePlace): boolean {
  if (driver !== "sqlite") return false;
  try {
    Deno.statSync(path);
    return false;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return true;
    throw error;
  }
}

function refuse(faults: readonly string[]): void {
  if (faults.length > 0) throw new ExitError(1, `Cannot use the schema: ${faults.join("; ")}`);
}

function refuseWithoutBackup(pending: readonly Migration[]): void {
  const oneWay = pending.find(({ backwardCompatible }) => !backwardCompatible);
  if (!oneWay) return;
  throw new ExitError(
    2,
    `Cannot apply ${nameOf(oneWay.id)}: the previous release could not use the result; ` +
      "make a backup and name it with --backup-ref",
  );
}

function nameOf(id: number): string {
  return `${id} ${migrations.find((migration) => migration.id === id)?.name ?? ""}`;
}

function parseId(text: string): number {
  if (/^[1-9]\d{0,3}$/.test(text)) return Number(text);
  throw new ExitError(2, `Cannot read --to "${text}": expected the number of a migration`);
}

function parseSpan(flag: string, text: string): number {
  const ms = /^\d{1,6}(ms|s|m)$/.test(text) ? parseDuration(text) : null;
  if (ms !== null) return ms;
  throw new ExitError(2, `Cannot read ${flag} "${text}": expected a number and ms, s or m`);
}
