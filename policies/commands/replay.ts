import { type Command, InvalidArgumentError, Option } from "commander";
import { ExitError, type World } from "../../core/command.ts";
import type { DecisionArchive, RecordFilter } from "../../core/decision_store.ts";
import type { Registry } from "../../core/registry.ts";
import type { Strategy } from "../../core/strategy.ts";
import { messageOf } from "../../core/thrown.ts";
import type { Candidate } from "../replay/job_messages.ts";
import { type Breakdown, BREAKDOWNS, replayJson } from "../replay/report.ts";
import { replayText } from "../replay/report_text.ts";
import { type Replay, ReplayFailure, runReplay } from "../replay/run_replay.ts";
import { orUnwritable } from "./configured.ts";
import { alone, EXIT, open } from "./exit.ts";

/** What commands on recorded decisions are made with. */
export interface RecordServices {
  readonly archive: DecisionArchive;
  readonly strategies: Registry<Strategy>;
  /** Address of the module that the registry comes from, for other threads. */
  readonly strategiesModule: string;
}

interface ReplayFlags {
  readonly policy?: string;
  readonly group?: string;
  readonly since?: string;
  readonly until?: string;
  readonly by: readonly Breakdown[];
  readonly jobs: number;
  readonly limit?: number;
  readonly json?: true;
  readonly output?: string;
}

const USAGE = 2;

const HELP = `
--policy is a file (by_size.ts), the name of a built-in strategy (cost), or
"stored": what decided then. Without it, only the proof runs. No provider is
called, and nothing is changed.

Exit code: 0 ok, 1 a decision is not the same when it is made again, 2 wrong
usage, 3 the policy fails, 4 an import is refused, 5 the records or a file
cannot be read.

Examples:
  pointsman policy replay --since 7d
  pointsman policy replay --policy by_size.ts --group general --since 2026-03-01
  pointsman policy replay --policy cost --json -o replay.json`;

/** `policy replay`. */
export function addReplay(policy: Command, world: World, services: RecordServices): void {
  services.archive.withFlags(policy.command("replay"))
    .description("make recorded decisions again, and see what another policy would have done")
    .option("--policy <policy>", "what decides instead")
    .option("--group <name>", "only calls of this group")
    .option("--since <time>", "first moment, UTC, or a span such as 7d")
    .option("--until <time>", "first moment after, UTC")
    .addOption(
      new Option("--by <rows>", "rows below the totals, with commas between")
        .argParser(breakdowns).default([...BREAKDOWNS], BREAKDOWNS.join(",")),
    )
    .addOption(
      new Option("--jobs <threads>", "threads that decide").argParser(atLeastOne)
        .default(navigator.hardwareConcurrency),
    )
    .addOption(new Option("--limit <records>", "the first ones only").argParser(atLeastOne))
    .option("--json", "print the report as JSON")
    .option("-o, --output <path>", "file to write instead of stdout")
    .addHelpText("after", HELP)
    .action((flags: ReplayFlags) => replay(flags, world, services));
}

async function replay(flags: ReplayFlags, world: World, services: RecordServices): Promise<void> {
  const { archive } = services;
  const filter = filterOf(flags, world, archive);
  const place = await archive.placeOf(flags, world);
  const chosen = flags.policy === undefined ? null : await candidateOf(flags.policy, services);
  const started = performance.now();
  const made = await orFailure(() =>
    runReplay({
      archive,
      place,
      strategies: services.strategiesModule,
      filter,
      candidate: chosen,
      jobs: flags.jobs,
      limit: flags.limit ?? null,
      onProgress: (done, all) => world.progress?.(progressBar(done, all)),
    })
  );
  world.progress?.("");
  world.printError(
    `${made.records} records in ${((performance.now() - started) / 1_000).toFixed(1)} s`,
  );
  const text = flags.json
    ? replayJson(made, { filter, candidate: flags.policy ?? null })
    : replayText(made, flags.by, chosen !== null);
  const { output } = flags;
  if (output === undefined) world.print(text);
  else orUnwritable(output, () => Deno.writeTextFileSync(output, `${text}\n`));
  throwVerdict(made);
}

function filterOf(
  { group, since, until }: ReplayFlags,
  { now }: World,
  archive: DecisionArchive,
): RecordFilter {
  try {
    return {
      group: group ?? null,
      since: since === undefined ? 0 : archive.timeOf(since, now()),
      until: until === undefined ? Number.MAX_SAFE_INTEGER : archive.timeOf(until, now()),
    };
  } catch (error) {
    if (error instanceof RangeError) throw new ExitError(USAGE, error.message);
    throw error;
  }
}

/** A name of a strategy is one; everything else is a file. */
async function candidateOf(policy: string, { strategies }: RecordServices): Promise<Candidate> {
  if (policy === "stored") return { kind: "stored" };
  if (strategies.has(policy)) return strategyCandidate(policy, strategies);
  await using opened = await open(alone(policy));
  return { kind: "script", code: opened.bundle.code };
}

function strategyCandidate(strategy: string, strategies: Registry<Strategy>): Candidate {
  if (strategies.get(strategy).policy) {
    throw new ExitError(
      USAGE,
      `Cannot replay with "${strategy}": name the file of the policy instead`,
    );
  }
  return { kind: "strategy", strategy };
}

async function orFailure(work: () => Promise<Replay>): Promise<Replay> {
  try {
    return await work();
  } catch (error) {
    const broken = error instanceof ReplayFailure && error.reason === "policy";
    const message = messageOf(error);
    throw new ExitError(broken ? EXIT.fault : EXIT.unreadable, message);
  }
}

/** The proof comes first: a record that cannot be trusted says nothing about a candidate. */
function throwVerdict({ verdicts, account }: Replay): void {
  const { different, corrupt } = verdicts;
  if (different > 0 || corrupt > 0) {
    throw new ExitError(
      EXIT.failed,
      `${different} decisions are not the same when made again, ${corrupt} records are damaged`,
    );
  }
  if (account.faults > 0) {
    throw new ExitError(EXIT.fault, `The policy failed on ${account.faults} calls`);
  }
}

const BAR = 30;

function progressBar(done: number, all: number): string {
  const share = all === 0 ? 1 : Math.min(1, done / all);
  const full = Math.round(BAR * share);
  return `[${"#".repeat(full)}${" ".repeat(BAR - full)}] ${done}/${all} records`;
}

function breakdowns(text: string): readonly Breakdown[] {
  return text.split(",").map((word) => {
    const found = BREAKDOWNS.find((known) => known === word);
    if (found) return found;
    throw new InvalidArgumentError(`Rows are ${BREAKDOWNS.join(", ")}.`);
  });
}

function atLeastOne(text: string): number {
  const number = Number(text);
  if (Number.isSafeInteger(number) && number >= 1) return number;
  throw new InvalidArgumentError("Expected a whole number from 1.");
}
