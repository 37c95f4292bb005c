import { type Command, Option } from "commander";
import { ExitError, type World } from "../core/command.ts";
import { openDatabase } from "./open_database.ts";
import {
  type DatabaseFlags,
  databaseOf,
  orDatabaseError,
  type StorageCommandOptions,
  withDatabaseFlags,
} from "./database_flags.ts";
import { assertCurrent } from "./migrate.ts";
import { addMigrateCommands } from "./migrate_commands.ts";
import { migrations } from "./migrations/mod.ts";
import { FORMATS, type OutputFormat } from "./render.ts";
import { parseTime, parseWindow, type TimeWindow } from "./time_window.ts";

interface ReportFlags extends DatabaseFlags {
  readonly since?: string;
  readonly from?: string;
  readonly to?: string;
  readonly format: OutputFormat;
  readonly out?: string;
  readonly limit: string;
}

/** Adds `migrate plan|apply|status`, `report` and `usage ship|verify|rebuild`. */
export function addStorageCommands(
  program: Command,
  world: World,
  options: StorageCommandOptions,
): void {
  const { settingsOf, routerVersion } = options;
  addMigrateCommands(program, world, options);
  addReport(program, world, options);
  const usage = program.command("usage").description("Look after the usage database");
  usage.command("ship")
    .description("Ship one batch of each journal to the database")
    .option("--config <path>", "configuration file")
    .option("--drain", "until nothing is left", false)
    .action(async ({ config, drain }: { config?: string; drain: boolean }) => {
      const { shipNow } = await import("./ship_commands.ts");
      const settings = await settingsOf(config);
      await orDatabaseError(() => shipNow({ settings, world, routerVersion }, { drain }));
    });
  usage.command("rebuild")
    .description("Load all segments of a journal folder into an empty database")
    .requiredOption("--from <dir>", "journal folder")
    .option("--config <path>", "configuration file")
    .action(async ({ config, from }: { config?: string; from: string }) => {
      const { rebuild } = await import("./ship_commands.ts");
      const settings = await settingsOf(config);
      await orDatabaseError(() => rebuild({ settings, world, routerVersion }, from));
    });
  usage.command("verify")
    .description("Compare the journal with the database; exit 1 on a difference")
    .option("--config <path>", "configuration file")
    .option("--from <time>", "first moment, UTC")
    .option("--to <time>", "first moment after, UTC")
    .action(async ({ config, ...flags }: { config?: string; from?: string; to?: string }) => {
      const { verifyNow } = await import("./ship_commands.ts");
      const window = flagsOk(() => verifyWindow(flags));
      const settings = await settingsOf(config);
      await orDatabaseError(() => verifyNow({ settings, world }, window));
    });
}

function addReport(program: Command, world: World, options: StorageCommandOptions): void {
  withDatabaseFlags(program.command("report"))
    .description("Print calls, tokens, cost and latency")
    .argument("[sections...]", "sections to print; all when none is named")
    .option("--since <span>", "such as 90m, 24h or 7d")
    .option("--from <time>", "first moment, UTC")
    .option("--to <time>", "first moment after, UTC")
    .addOption(new Option("--format <format>", "output").choices(FORMATS).default("md"))
    .option("--out <path>", "file to write instead of stdout")
    .option("--limit <rows>", "rows per table", "50")
    .action(async (names: string[], flags: ReportFlags) => {
      const text = await report(names, flags, { world, ...options });
      if (flags.out === undefined) world.print(text.trimEnd());
      else await Deno.writeTextFile(flags.out, text);
    });
}

async function report(
  names: readonly string[],
  flags: ReportFlags,
  { world, settingsOf }: StorageCommandOptions & { readonly world: World },
): Promise<string> {
  // The query builder is loaded by the command that needs it, and by no other.
  const { reportHead, sections } = await import("./sections.ts");
  const { render } = await import("./render.ts");
  const window = flagsOk(() => parseWindow(flags, world.now()));
  const limit = flagsOk(() => parseLimit(flags.limit));
  const chosen = flagsOk(() => choose(sections, names));
  if (flags.format === "csv" && chosen.length !== 1) {
    throw new ExitError(2, "Cannot print csv: name one section");
  }
  const place = await databaseOf(flags, { world, settingsOf });
  return await orDatabaseError(async () => {
    await using db = await openDatabase(place, "read");
    await assertCurrent(db, migrations);
    const filter = { ...window, limit };
    const head = await reportHead(db, filter);
    const filled = chosen.map(async (report) => ({ report, rows: await report.query(db, filter) }));
    return render(flags.format, head, await Promise.all(filled));
  });
}

function choose<Item extends { readonly id: string }>(
  sections: readonly Item[],
  names: readonly string[],
): readonly Item[] {
  const known = sections.map(({ id }) => id);
  const wrong = names.find((name) => !known.includes(name));
  if (wrong !== undefined) {
    throw new RangeError(`Cannot report on "${wrong}": known sections are ${known.join(", ")}`);
  }
  return names.length === 0 ? sections : sections.filter(({ id }) => names.includes(id));
}

function verifyWindow({ from, to }: { from?: string; to?: string }): TimeWindow | null {
  if (from === undefined && to === undefined) return null;
  return {
    from: from === undefined ? 0 : parseTime(from),
    to: to === undefined ? Number.MAX_SAFE_INTEGER : parseTime(to),
  };
}

function parseLimit(text: string): number {
  if (/^[1-9]\d{0,5}$/.test(text)) return Number(text);
  throw new RangeError(`Cannot read limit "${text}": expected a whole number`);
}

/** A wrong flag ends with 2. */
function flagsOk<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof RangeError) throw new ExitError(2, error.message);
    throw error;
  }
}
