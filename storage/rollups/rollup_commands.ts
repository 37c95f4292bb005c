import { type Command, Option } from "commander";
import { examples, ExitError, type World } from "../../core/command.ts";
import {
  type DatabaseFlags,
  flagsOk,
  type StorageCommandOptions,
  type Surroundings,
  withDatabaseFlags,
} from "../database_flags.ts";
import { withDatabase } from "../with_database.ts";
import { parseTime } from "../time_window.ts";
import { ROLLUP_TYPES, type RollupType, windowsOf } from "./window.ts";

interface RunFlags extends DatabaseFlags {
  readonly type: RollupType;
  readonly from: string;
  readonly to: string;
  readonly finalize?: true;
  readonly force?: true;
  readonly actor: string;
}

const RUN_HELP = examples(
  "pointsman rollup run --type hourly --from 2026-11-20 --to 2026-11-21",
  "pointsman rollup run --type monthly --from 2026-10-01 --to 2026-11-01 \\\n    --finalize --actor ada",
);

/** Adds `rollup run|status|verify`. */
export function addRollupCommands(
  program: Command,
  world: World,
  options: StorageCommandOptions,
): void {
  const surroundings = { world, ...options };
  const command = program.command("rollup").description("sums of usage by hour, day and month");
  withDatabaseFlags(command.command("run"))
    .description("roll up windows, UTC; replaces their drafts")
    .addOption(
      new Option("--type <type>", "length of a window").choices(ROLLUP_TYPES).makeOptionMandatory(),
    )
    .requiredOption("--from <time>", "where the first window begins")
    .requiredOption("--to <time>", "where the last window ends")
    .option("--finalize", "make the windows immutable")
    .option("--force", "finalise though a journal may hold calls of them")
    .option("--actor <name>", "who finalises; recorded", "command line")
    .addHelpText("after", RUN_HELP)
    .action((flags: RunFlags) => run(flags, surroundings));
  withDatabaseFlags(command.command("status"))
    .description("print the runs of each type, and how far they are final without a gap")
    .addHelpText("after", examples("pointsman rollup status --config config.yaml"))
    .action((flags: DatabaseFlags) => status(flags, surroundings));
  withDatabaseFlags(command.command("verify"))
    .argument("<run>", "id of a run")
    .description("compare a run with the calls it was made of; exit 1 on a difference")
    .addHelpText("after", examples("pointsman rollup verify rol_019aa3c41f7e7c2e9d5b8f60a1b2c3d4"))
    .action((id: string, flags: DatabaseFlags) => verify(id, flags, surroundings));
}

async function run(flags: RunFlags, surroundings: Surroundings): Promise<void> {
  const { type, finalize = false, force = false, actor } = flags;
  const span = flagsOk(() => ({ from: parseTime(flags.from), to: parseTime(flags.to) }));
  const windows = flagsOk(() => windowsOf(type, span));
  await withDatabase(flags, { ...surroundings, purpose: "write" }, async (db) => {
    const { runRollups } = await import("./run_rollup.ts");
    const { world, routerVersion } = surroundings;
    const options = { finalize, force, actor, routerVersion, now: world.now() };
    for (const window of windows) {
      const [made] = await runRollups(db, [window], options);
      const { id, status, calls, rows, checksum, adjusts } = made!;
      const start = new Date(window.start).toISOString();
      world.print(
        `${id}  ${type} ${start}  ${status}  ${calls} calls in ${rows} rows  ` +
          `${checksum.slice(0, 12)}${adjusts === null ? "" : `  adjusts ${adjusts}`}`,
      );
    }
  });
}

async function status(flags: DatabaseFlags, surroundings: Surroundings): Promise<void> {
  await withDatabase(flags, { ...surroundings, purpose: "read" }, async (db) => {
    const { rollupStatus } = await import("./rollup_status.ts");
    const time = (at: number | null) => at === null ? "-" : new Date(at).toISOString();
    for (const item of await rollupStatus(db)) {
      surroundings.world.print(
        `${item.type.padEnd(8)} ${item.drafts} drafts, ${item.finalized} final, ` +
          `${item.adjustments} adjustments; from ${time(item.from)} to ${time(item.to)}, ` +
          `final without a gap to ${time(item.finalTo)}`,
      );
    }
  });
}

async function verify(
  id: string,
  flags: DatabaseFlags,
  surroundings: Surroundings,
): Promise<void> {
  await withDatabase(flags, { ...surroundings, purpose: "read" }, async (db) => {
    const { verifyRollup } = await import("./verify_rollup.ts");
    const differences = await verifyRollup(db, id);
    if (differences === null) throw new ExitError(1, `Cannot verify run "${id}": there is none`);
    for (const difference of differences) surroundings.world.print(difference);
    if (differences.length > 0) throw new ExitError(1);
    surroundings.world.print("Rollup and calls agree");
  });
}
