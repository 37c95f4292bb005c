import { Command, CommanderError } from "commander";
import type { Adapters } from "./core/adapters.ts";
import { type AddCommands, ExitError, listenOption, type World } from "./core/command.ts";
import { configPath, loadForCommand, readConfig, withConfigOption } from "./core/config_option.ts";
import { listenText } from "./core/config/listen.ts";
import { loadConfigAside, type LoadResult } from "./core/config/load.ts";
import { formatProblems, type Problem } from "./core/config/problem.ts";
import { type LiveConfig, liveConfig, logProblems } from "./core/config/reload.ts";
import { type ConfigFiles, diskSources, recording } from "./core/config/sources.ts";
import { CLOCKS, type Gateway, SHIP_MS } from "./core/gateway.ts";
import {
  createLog,
  FIRST_LOG,
  type Log,
  print,
  printError,
  progress,
  terminalWidth,
} from "./core/log.ts";
import { openAlone, preparePolicies } from "./core/open_gateway.ts";
import { prepareQuickstart, type Quickstart, quickstartBanner } from "./core/quickstart.ts";
import { holdAddress } from "./core/server.ts";
import { stopSignal } from "./core/signals.ts";
import type { Snapshot } from "./core/snapshot.ts";
import { messageOf } from "./core/thrown.ts";
import deno from "./deno.json" with { type: "json" };
import { dialects } from "./dialects/mod.ts";
import { createPlugins, createSupervisorMetrics, createTracer, upstreams } from "./plugins/mod.ts";
import { createPolicyRunner } from "./policies/runner.ts";
import { readFingerprintKey } from "./storage/gateway_identity.ts";
import { openStorage } from "./storage/open_storage.ts";
import { holdState, openStoreIfOn, settleState, stateFolders } from "./storage/start.ts";
import { strategies } from "./strategies/mod.ts";

const registries = { dialects, strategies, builtins: upstreams };

const world: World = {
  env: (name) => Deno.env.get(name),
  stdin: () => new Response(Deno.stdin.readable).text(),
  print,
  printError,
  progress,
  get width() {
    return terminalWidth();
  },
  now: Date.now,
};

/** Commands that are loaded together, when the command line names one of them. */
interface CommandGroup {
  readonly names: readonly string[];
  load(): Promise<AddCommands>;
}

/** Every command; a gateway that serves has no use for the code of the others. */
const COMMANDS: readonly CommandGroup[] = [
  { names: ["serve"], load: () => Promise.resolve(addServe) },
  { names: ["worker"], load: workerCommandsOf },
  {
    names: ["policy-host"],
    load: async () => (await import("./policies/sandbox/host_command.ts")).addPolicyHost,
  },
  {
    names: ["config"],
    load: async () =>
      (await import("./core/config_commands.ts")).configCommands(registries, checkPolicies),
  },
  {
    names: ["tokens"],
    load: async () => (await import("./core/token_commands.ts")).tokenCommands(registries),
  },
  {
    names: ["echo"],
    load: async () => (await import("./plugins/echo/commands.ts")).addEchoCommands,
  },
  { names: ["policy"], load: policyCommandsOf },
  {
    names: ["migrate", "report", "rollup", "retention", "hold", "usage"],
    load: async () => {
      const { storageCommands } = await import("./storage/commands.ts");
      return storageCommands({ settingsOf, routerVersion: deno.version });
    },
  },
];

async function policyCommandsOf(): Promise<AddCommands> {
  const [{ policyCommands }, { openPolicyBoard }, { createDecisionArchive }] = await Promise.all([
    import("./policies/commands.ts"),
    import("./storage/policy_board.ts"),
    import("./storage/decision_archive.ts"),
  ]);
  return policyCommands({
    config: (path) => loadForCommand(path, world, registries).snapshot,
    openBoard: openPolicyBoard,
    archive: createDecisionArchive({ settingsOf }),
    strategies,
    strategiesModule: new URL("./strategies/mod.ts", import.meta.url).href,
  });
}

/** What commands on the usage database need of a configuration. */
function settingsOf(path: string | undefined) {
  const { server, groups } = loadForCommand(path, world, registries).snapshot;
  return { ...server, groups };
}

const BUILD = {
  version: deno.version,
  commit: world.env("POINTSMAN_COMMIT") ?? "",
  builtAt: world.env("POINTSMAN_BUILT_AT") ?? "",
};

/** What a gateway of this program is put together from. @throws {ExitError} on a bad variable */
function adaptersOf(): Adapters {
  const key = world.env("POINTSMAN_FINGERPRINT_KEY");
  const fingerprintKey = key ? readFingerprintKey(key) : null;
  if (key && !fingerprintKey) {
    throw new ExitError(1, "Cannot read POINTSMAN_FINGERPRINT_KEY: expected 64 hex digits");
  }
  return {
    ...registries,
    createPolicyRunner: (log) => createPolicyRunner({ log, ...CLOCKS }),
    createPlugins,
    createTracer: async (log) => {
      // As Deno reads it: what it traces, nobody else may send a `traceparent` for.
      const isAsked = world.env("OTEL_DENO")?.toLowerCase() === "true";
      return isAsked ? await createTracer({ version: deno.version, log }) : null;
    },
    openStorage,
    build: BUILD,
    replica: world.env("POINTSMAN_REPLICA") || null,
    fingerprintKey,
  };
}

interface ServeOptions {
  readonly config?: string;
  readonly listen?: string;
  readonly quickstart?: true;
}

const SERVE_HELP = `
Signals: SIGHUP reloads the configuration, SIGTERM and SIGINT drain and stop
(twice: at once).

Examples:
  pointsman serve --quickstart
  pointsman serve --config /etc/pointsman/config.yaml
  pointsman serve --listen 0.0.0.0:8080`;

function addServe(program: Command): void {
  withConfigOption(program.command("serve"))
    .description("serve calls")
    .option("--listen <address>", "host:port to listen on, instead of server.listen")
    .option("--quickstart", "without a config file, make one that works at once")
    .addHelpText("after", SERVE_HELP)
    .action(serve);
}

async function serve(options: ServeOptions): Promise<void> {
  const made = options.quickstart && !options.config && !world.env("POINTSMAN_CONFIG")
    ? prepareQuickstart(".", {
      random: (size) => crypto.getRandomValues(new Uint8Array(size)),
      now: Date.now,
    })
    : null;
  const gateway = await start(
    configPath(options.config ?? made?.configPath, world),
    options.listen,
  );
  const asked = stopSignal();
  announce(gateway, made);
  await asked;
  const stop = gateway.stop();
  void stopSignal().then(() => gateway.stop());
  await stop;
}

function announce(gateway: Gateway, made: Quickstart | null): void {
  if (made) print(quickstartBanner(gateway.url, made.token, made.group));
  else print(`Pointsman listens on ${gateway.url}`);
}

/** What a configuration was read by, and what came of it. */
interface Loaded {
  readonly path: string;
  readonly initial: LoadResult & { readonly ok: true };
  load(): Promise<LoadResult>;
  /** The files as they were read last. */
  files(): ConfigFiles;
}

/** Opens everything a gateway is made of. */
async function start(path: string, listen: string | undefined): Promise<Gateway> {
  if (listen !== undefined) listenOption(listen);
  const log = createLog(FIRST_LOG);
  const adapters = adaptersOf();
  const policies = adapters.createPolicyRunner(log);
  const { sources, files } = recording(diskSources(world));
  const parts = { ...registries, policies, listen };
  const initial = readConfig(path, sources, { parts, world });
  const load = () => loadConfigAside(path, sources, parts);
  if (!initial.ok) throw new ExitError(1, formatProblems(initial.problems));
  const { server } = initial.snapshot;
  log.configure(server.logging);
  logProblems(log, initial.problems);
  if (server.usageDb.migrationPolicy === "validate") {
    const { validateSchema } = await import("./storage/validate_schema.ts");
    await validateSchema(server.usageDb, world);
  }
  holdState(server.ledger);
  const { gateway } = server.workers === 1
    ? await openAlone({ initial, load, log, policies }, adapters)
    : { gateway: await supervise({ path, initial, load, files }, log) };
  log.write("info", "gateway_started", "Gateway is ready", { url: gateway.url });
  return gateway;
}

/** The process that keeps the workers of a gateway running. */
async function supervise({ path, initial, load, files }: Loaded, log: Log): Promise<Gateway> {
  const { server } = initial.snapshot;
  await refuseBroken(initial.snapshot);
  const { Supervisor } = await import("./core/workers/supervisor.ts");
  const { workerCommand } = await import("./core/workers/worker_command.ts");
  const metrics = await createSupervisorMetrics({ build: BUILD, clock: CLOCKS.clock });
  await settleState(initial.snapshot, { log, ...CLOCKS });
  const store = openStoreIfOn(server, {
    log,
    routerVersion: deno.version,
    onStatus: () => supervisor.ship(),
    onBatch: metrics.onShipped,
  });
  const config: LiveConfig = liveConfig({
    initial,
    load,
    log,
    prepare: checkPolicies,
    onSwap(snapshot) {
      log.configure(snapshot.server.logging);
      supervisor.configure(files());
    },
  });
  using held = holdAddress(server.listen);
  const supervisor = new Supervisor({
    workers: server.workers,
    path,
    listen: listenText(held.address),
    files: files(),
    log,
    ...CLOCKS,
    command: () => workerCommand(new URL(import.meta.url), stateFolders(server)),
    store,
    graceMs: () => config.current().server.shutdownGraceMs,
    counts: metrics.counts,
    fold: metrics.fold,
  });
  metrics.start({ store, config, restarts: () => supervisor.restarts });
  const close = async () => {
    config[Symbol.dispose]();
    await store?.close(SHIP_MS);
    metrics[Symbol.dispose]();
  };
  let closing: Promise<void> | null = null;
  return {
    url: await supervisor.start().catch(async (error: Error) => {
      await close();
      throw new ExitError(1, error.message);
    }),
    stop() {
      const stopped = supervisor.stop();
      return closing ??= stopped.then(close);
    },
  };
}

/** One of several processes that serve. */
async function workerCommandsOf(): Promise<AddCommands> {
  const [{ runWorker }, { serveBeside }, { WORKER }] = await Promise.all([
    import("./core/workers/worker.ts"),
    import("./core/workers/serve_beside.ts"),
    import("./core/workers/worker_command.ts"),
  ]);
  return (program) =>
    program.command(WORKER, { hidden: true }).action(async () => {
      const parts = { adapters: adaptersOf(), world };
      await runWorker((start, supervisor) => serveBeside(start, supervisor, parts));
    });
}

/** Whether every policy of a configuration can be bundled and loaded. */
async function checkPolicies(snapshot: Snapshot): Promise<readonly Problem[]> {
  const policies = createPolicyRunner({ log: createLog(FIRST_LOG), ...CLOCKS });
  try {
    return await preparePolicies(policies, snapshot);
  } finally {
    await policies.close();
  }
}

/** What a supervisor would have its workers refuse. */
async function refuseBroken(snapshot: Snapshot): Promise<void> {
  const problems = await checkPolicies(snapshot);
  if (problems.length > 0) throw new ExitError(1, formatProblems(problems));
}

/** Columns that descriptions of long flags are wrapped to at least, so that help fits a terminal. */
const MIN_WRAPPED = 24;

/** The command line, with the commands that its first word may name. */
export async function commandLine(word?: string): Promise<Command> {
  const program = new Command("pointsman")
    .description("LLM gateway: one endpoint, three dialects, model groups instead of models")
    .version(deno.version)
    .exitOverride()
    .configureHelp({ minWidthToWrap: MIN_WRAPPED })
    .configureOutput({
      writeOut: (text) => print(text.trimEnd()),
      writeErr: (text) => printError(text.trimEnd()),
    })
    .showHelpAfterError("(add --help for usage)");
  for (const add of await commandsFor(word)) add(program, world);
  return program;
}

/** Runs the command line; gives the exit code. */
async function run(args: readonly string[]): Promise<number> {
  try {
    const program = await commandLine(args[0]);
    await program.parseAsync([...args], { from: "user" });
    return 0;
  } catch (error) {
    return exitCode(error);
  }
}

/** Those of the group that the first word names; all of them where it names none. */
function commandsFor(word: string | undefined): Promise<readonly AddCommands[]> {
  const named = COMMANDS.filter(({ names }) => word !== undefined && names.includes(word));
  return Promise.all((named.length > 0 ? named : COMMANDS).map(({ load }) => load()));
}

function exitCode(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
  if (error instanceof ExitError) {
    if (error.message) printError(error.message);
    return error.code;
  }
  printError(messageOf(error));
  return 1;
}

if (import.meta.main) Deno.exit(await run(Deno.args));
