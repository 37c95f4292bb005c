import type { Command } from "commander";
import { type AddCommands, examples, type World } from "../core/command.ts";
import { withConfigOption } from "../core/config_option.ts";
import { flagsOk, orDatabaseError, type StorageCommandOptions } from "./database_flags.ts";
import { addMigrateCommands } from "./migrate_commands.ts";
import { addReportCommand } from "./reports/report_command.ts";
import { addRetentionCommands } from "./retention/retention_commands.ts";
import { addRollupCommands } from "./rollups/rollup_commands.ts";
import { parseTime, type TimeWindow } from "./time_window.ts";

/** Every command on the usage database. */
export function storageCommands(options: StorageCommandOptions): AddCommands {
  return (program, world) => {
    addMigrateCommands(program, world, options);
    addReportCommand(program, world, options);
    addRollupCommands(program, world, options);
    addRetentionCommands(program, world, options);
    addUsageCommands(program, world, options);
  };
}

const REBUILD_HELP = examples(
  "pointsman usage rebuild --from state/journal",
  "pointsman usage rebuild --from /backup/journal --config config.yaml",
);

const VERIFY_HELP = examples(
  "pointsman usage verify",
  "pointsman usage verify --from 2026-11-01 --to 2026-12-01",
);

function addUsageCommands(
  program: Command,
  world: World,
  { settingsOf, routerVersion }: StorageCommandOptions,
): void {
  const usage = program.command("usage").description("look after the usage database");
  withConfigOption(usage.command("ship"))
    .description("ship one batch of each journal to the database")
    .option("--drain", "until nothing is left")
    .addHelpText("after", examples("pointsman usage ship --drain --config config.yaml"))
    .action(async ({ config, ...flags }: { config?: string; drain?: true }) => {
      const { shipNow } = await import("./ship_commands.ts");
      const settings = await settingsOf(config);
      await orDatabaseError(() => shipNow({ settings, world, routerVersion }, flags));
    });
  withConfigOption(usage.command("rebuild"))
    .description("load all segments of a journal folder into an empty database")
    .requiredOption("--from <dir>", "journal folder")
    .addHelpText("after", REBUILD_HELP)
    .action(async ({ config, from }: { config?: string; from: string }) => {
      const { rebuild } = await import("./ship_commands.ts");
      const settings = await settingsOf(config);
      await orDatabaseError(() => rebuild({ settings, world, routerVersion }, from));
    });
  withConfigOption(usage.command("import"))
    .description("load a file of journal lines; lines that are there change nothing")
    .argument("<file>", "journal segment, of any gateway")
    .addHelpText("after", examples("pointsman usage import backup/requests.00000007.jsonl"))
    .action(async (file: string, { config }: { config?: string }) => {
      const { importFile } = await import("./ship_commands.ts");
      const settings = await settingsOf(config);
      await orDatabaseError(() => importFile({ settings, world }, file));
    });
  withConfigOption(usage.command("verify"))
    .description("compare the journal with the database; exit 1 on a difference")
    .option("--from <time>", "first moment, UTC")
    .option("--to <time>", "first moment after, UTC")
    .addHelpText("after", VERIFY_HELP)
    .action(async ({ config, ...flags }: { config?: string; from?: string; to?: string }) => {
      const { verifyNow } = await import("./ship_commands.ts");
      const window = flagsOk(() => verifyWindow(flags));
      const settings = await settingsOf(config);
      await orDatabaseError(() => verifyNow({ settings, world }, window));
    });
}

function verifyWindow({ from, to }: { from?: string; to?: string }): TimeWindow | null {
  if (from === undefined && to === undefined) return null;
  return {
    from: from === undefined ? 0 : parseTime(from),
    to: to === undefined ? Number.MAX_SAFE_INTEGER : parseTime(to),
  };
}
