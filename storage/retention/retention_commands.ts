import { type Command, Option } from "commander";
import { examples, ExitError, type World } from "../../core/command.ts";
import { withConfigOption } from "../../core/config_option.ts";
import { DATA_CLASSES, type DataClass } from "../../core/snapshot.ts";
import {
  type DatabaseFlags,
  flagsOk,
  type StorageCommandOptions,
  type Surroundings,
} from "../database_flags.ts";
import { table } from "../reports/render_table.ts";
import { column, type ReportColumn } from "../reports/report.ts";
import { parseTime } from "../time_window.ts";
import { withDatabase } from "../with_database.ts";
import type { NewHold } from "./holds.ts";
import type { TableState } from "./run_retention.ts";

interface RetentionFlags {
  readonly config?: string;
  readonly class?: DataClass;
}

interface RunFlags extends RetentionFlags {
  readonly batches?: string;
}

interface HoldFlags extends DatabaseFlags {
  readonly class: DataClass;
  readonly requestId?: string;
  readonly project?: string;
  readonly environment?: string;
  readonly from?: string;
  readonly to?: string;
  readonly reason: string;
  readonly actor: string;
}

type ReleaseFlags = DatabaseFlags & Pick<HoldFlags, "actor" | "reason">;
const classOption = () => new Option("--class <class>", "which rows").choices(DATA_CLASSES);

const STATUS_HELP = examples(
  "pointsman retention status",
  "pointsman retention status --class usage_diagnostics --config config.yaml",
);

const OFF = "Nothing would be deleted: server.retention.classes has none of these rows";

const RUN_HELP = examples(
  "pointsman retention run",
  "pointsman retention run --class decision_telemetry --batches 20",
);

const CREATE_HELP = examples(
  "pointsman hold create --class usage_detail --project shop \\\n    --reason case-17 --actor ada",
  "pointsman hold create --class usage_diagnostics --from 2026-11-01 \\\n    --reason audit --actor ada",
);

const RELEASE_HELP = examples(
  "pointsman hold release hld_019aa3c41f7e7c2e9d5b8f60a1b2c3d4 \\\n" +
    '    --reason "case closed" --actor ada',
);

/** Adds `retention status|run` and `hold create|release|list`. */
export function addRetentionCommands(
  program: Command,
  world: World,
  options: StorageCommandOptions,
): void {
  const surroundings = { world, ...options };
  const command = program.command("retention").description("delete rows that are old enough");
  withConfigOption(command.command("status"))
    .description("count what a run would delete")
    .addOption(classOption())
    .addHelpText("after", STATUS_HELP)
    .action((flags: RetentionFlags) => status(flags, surroundings));
  withConfigOption(command.command("run"))
    .description("delete what is old enough; counts only while server.retention.dry_run is on")
    .addOption(classOption())
    .option("--batches <count>", "batches per class; until nothing is left when not given")
    .addHelpText("after", RUN_HELP)
    .action((flags: RunFlags) => run(flags, surroundings));
  addHoldCommands(program, surroundings);
}

function addHoldCommands(program: Command, surroundings: Surroundings): void {
  const command = program.command("hold").description("keep rows that retention would delete");
  withConfigOption(command.command("create"))
    .description("make a hold; what is not given names everything")
    .addOption(classOption().makeOptionMandatory())
    .option("--request-id <id>", "one call")
    .option("--project <name>", "calls of a project")
    .option("--environment <name>", "calls of an environment")
    .option("--from <time>", "first moment, UTC")
    .option("--to <time>", "first moment after, UTC")
    .requiredOption("--reason <code>", "why; recorded")
    .requiredOption("--actor <name>", "who; recorded")
    .addHelpText("after", CREATE_HELP)
    .action((flags: HoldFlags) => create(flags, surroundings));
  withConfigOption(command.command("release"))
    .argument("<id>", "id of the hold")
    .description("end a hold")
    .requiredOption("--reason <text>", "why; recorded")
    .requiredOption("--actor <name>", "who; recorded")
    .addHelpText("after", RELEASE_HELP)
    .action((id: string, flags: ReleaseFlags) => release(id, flags, surroundings));
  withConfigOption(command.command("list"))
    .description("print every hold")
    .addHelpText("after", examples("pointsman hold list --config config.yaml"))
    .action((flags: DatabaseFlags) => list(flags, surroundings));
}

async function status(flags: RetentionFlags, surroundings: Surroundings): Promise<void> {
  const { settingsOf, world } = surroundings;
  const { retention: settings } = await settingsOf(flags.config);
  await withDatabase(database(flags), { ...surroundings, purpose: "read" }, async (db) => {
    const { retentionStatus } = await import("./run_retention.ts");
    const dataClass = flags.class ?? null;
    const states = await retentionStatus(db, { settings, dataClass, now: world.now() });
    world.print(states.length === 0 ? OFF : shown(states, world));
  });
}

async function run(flags: RunFlags, surroundings: Surroundings): Promise<void> {
  const { settingsOf, world } = surroundings;
  const { retention: settings } = await settingsOf(flags.config);
  const batches = flagsOk(() => parseBatches(flags.batches));
  if (!settings.enabled) {
    throw new ExitError(1, "Cannot delete anything: server.retention.enabled is false");
  }
  await withDatabase(database(flags), { ...surroundings, purpose: "write" }, async (db) => {
    const { runRetention } = await import("./run_retention.ts");
    const dataClass = flags.class ?? null;
    const options = { settings, dataClass, batches, requestedBy: "command line" };
    world.print(shown(await runRetention(db, { ...options, now: world.now() }), world));
    if (settings.dryRun) world.print("Dry run: nothing was deleted (server.retention.dry_run)");
  });
}

async function create(flags: HoldFlags, surroundings: Surroundings): Promise<void> {
  const hold = flagsOk(() => holdOf(flags));
  await withDatabase(database(flags), { ...surroundings, purpose: "write" }, async (db) => {
    const { createHold } = await import("./holds.ts");
    const { world } = surroundings;
    world.print(`Created ${await createHold(db, hold, world.now())}`);
  });
}

/** @throws RangeError when it would hold nothing */
function holdOf(flags: HoldFlags): NewHold {
  const { requestId = "", project = "", environment = "", ...stated } = flags;
  const { reason, actor, class: dataClass } = stated;
  const [from = null, to = null] = [flags.from, flags.to].map((time) =>
    time === undefined ? null : parseTime(time)
  );
  if (from !== null && to !== null && from >= to) {
    throw new RangeError("Cannot hold an empty span of time: --from must be before --to");
  }
  // Ids of accounts are stored in lower case, however the configuration spells them.
  const [ofProject, ofEnvironment] = [project.toLowerCase(), environment.toLowerCase()];
  const who = { requestId, project: ofProject, environment: ofEnvironment };
  return { dataClass, ...who, from, to, reason, actor };
}

async function release(
  id: string,
  flags: ReleaseFlags,
  surroundings: Surroundings,
): Promise<void> {
  const { reason, actor } = flags;
  await withDatabase(database(flags), { ...surroundings, purpose: "write" }, async (db) => {
    const { releaseHold } = await import("./holds.ts");
    const { world } = surroundings;
    if (await releaseHold(db, { id, reason, actor }, world.now())) world.print(`Released ${id}`);
    else throw new ExitError(1, `Cannot release hold "${id}": no active hold has that id`);
  });
}

async function list(flags: DatabaseFlags, surroundings: Surroundings): Promise<void> {
  await withDatabase(database(flags), { ...surroundings, purpose: "read" }, async (db) => {
    const { listHolds } = await import("./holds.ts");
    const time = (value: unknown) =>
      value === null ? "" : new Date(Number(value)).toISOString().slice(0, 19);
    for (const hold of await listHolds(db)) {
      const fields = Object.entries({
        class: hold.data_class,
        request: hold.request_id,
        project: hold.caller_project,
        environment: hold.caller_environment,
        from: time(hold.start_ts),
        to: time(hold.end_ts),
        reason: hold.reason_code,
        by: hold.created_by,
        released: time(hold.released_at),
        because: hold.release_reason,
      }).filter(([, value]) => value !== "");
      const text = fields.map(([name, value]) => `${name}=${value}`).join(" ");
      surroundings.world.print(`${hold.hold_id}  ${text}`);
    }
  });
}

/** Retention is of the configured database: its rules and its rows belong together. */
function database({ config }: { readonly config?: string }): DatabaseFlags {
  return config === undefined ? {} : { config };
}

function parseBatches(text: string | undefined): number | null {
  if (text === undefined) return null;
  if (/^[1-9]\d{0,5}$/.test(text)) return Number(text);
  throw new RangeError(`Cannot read batches "${text}": expected a whole number`);
}

const COLUMNS: readonly ReportColumn[] = [
  column("table", "table", "text"),
  column("class", "class", "text"),
  column("before", "before", "text"),
  ...["candidates", "held", "blocked", "eligible", "deleted"].map((name) =>
    column(name, name, "count")
  ),
];

function shown(states: readonly TableState[], { width = Infinity }: World): string {
  const rows = states.map(({ table, rule, cutoff, ...counts }) => ({
    table,
    class: rule.dataClass,
    before: new Date(cutoff).toISOString().slice(0, 10),
    ...Object.fromEntries(Object.entries(counts).map(([name, count]) => [name, BigInt(count)])),
  }));
  return table({ format: "table", width }, COLUMNS, rows).trimEnd();
}
