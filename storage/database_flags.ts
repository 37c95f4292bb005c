import { type Command, Option } from "commander";
import { ExitError, type World } from "../core/command.ts";
import { withConfigOption } from "../core/config_option.ts";
import type { Group, ServerSettings } from "../core/snapshot.ts";
import { USAGE_DRIVERS } from "../core/usage_driver.ts";
import type { DatabasePlace } from "./database.ts";

/** The part of the configuration that commands on the usage database need. */
export interface StorageSettings
  extends Pick<ServerSettings, "baselines" | "logging" | "retention" | "rollups" | "usageDb"> {
  /** Their targets have the prices of the catalog. */
  readonly groups: ReadonlyMap<string, Pick<Group, "targets">>;
}

/** What the commands are made with. */
export interface StorageCommandOptions {
  /** Reads the configuration at a path, or at the default one. */
  settingsOf(configPath: string | undefined): StorageSettings | Promise<StorageSettings>;
  /** Recorded with migrations. */
  readonly routerVersion: string;
}

/** What a command is made with, and runs in. */
export type Surroundings = StorageCommandOptions & { readonly world: World };

/** How a command is told which database; without any, the configuration says. */
export interface DatabaseFlags {
  readonly config?: string;
  readonly driver?: DatabasePlace["driver"];
  readonly db?: string;
  readonly dsnEnv?: string;
}

/** Adds the flags. A DSN is never one: arguments are for everybody on the machine to see. */
export function withDatabaseFlags(command: Command): Command {
  return withConfigOption(command)
    .addOption(
      new Option("--driver <driver>", "database, instead of the configured one")
        .choices(USAGE_DRIVERS),
    )
    .option("--db <path>", "file of the sqlite database")
    .option("--dsn-env <name>", "environment variable with the URL of the postgres database");
}

/**
 * The database that the flags name.
 *
 * @throws ExitError 2 when they do not fit together
 */
export async function databaseOf(
  { config, db, dsnEnv, driver }: DatabaseFlags,
  { world, settingsOf }: Pick<StorageCommandOptions, "settingsOf"> & { readonly world: World },
): Promise<DatabasePlace> {
  const isPostgres = driver === "postgres" || dsnEnv !== undefined;
  if (!isPostgres && driver === undefined && db === undefined) {
    return (await settingsOf(config)).usageDb;
  }
  if (isPostgres && (driver === "sqlite" || db !== undefined)) {
    throw new ExitError(2, "Cannot use two databases: --db is sqlite, --dsn-env is postgres");
  }
  if (!isPostgres) return { driver: "sqlite", path: required(db, "--db"), dsn: null };
  const name = required(dsnEnv, "--dsn-env");
  const dsn = world.env(name);
  if (dsn) return { driver: "postgres", path: "", dsn };
  throw new ExitError(2, `Cannot use the usage database: environment variable ${name} is not set`);
}

/** A database that cannot be used ends with 1. */
export async function orDatabaseError<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof ExitError || !(error instanceof Error)) throw error;
    throw new ExitError(1, whole(reason(error)));
  }
}

/** What says by itself what could not be done is not told twice. */
function whole(reason: string): string {
  return reason.startsWith("Cannot ") ? reason : `Cannot use the usage database: ${reason}`;
}

/** A wrong flag ends with 2. */
export function flagsOk<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof RangeError) throw new ExitError(2, error.message);
    throw error;
  }
}

/** What SQLite means by what it says. */
const SQLITE_SAYS: Readonly<Record<string, string>> = {
  "database is locked": "another process has held it for 5 s; try again when that is done",
  "file is not a database": "the file is no SQLite database",
};

/** A refused connection comes without a message where there is more than one address. */
function reason(error: Error): string {
  const known = SQLITE_SAYS[error.message];
  if (known !== undefined) return known;
  if (error.message !== "") return error.message.replace(/^Cannot use the database: /, "");
  return "code" in error ? String(error.code) : error.name;
}

function required(value: string | undefined, flag: string): string {
  if (value !== undefined) return value;
  throw new ExitError(2, `Cannot use the usage database: ${flag} is missing`);
}
