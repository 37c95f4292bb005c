import { fileURLToPath } from "node:url";
import { Command, CommanderError } from "commander";
import { Calibration } from "./core/calibration.ts";
import { configCommands, configPath, loadForCommand, withConfigOption } from "./core/commands.ts";
import { type AddCommands, ExitError, listenOption, type World } from "./core/command.ts";
import { FollowedConfig } from "./core/config/followed.ts";
import { listenText } from "./core/config/listen.ts";
import { loadConfig, type LoadResult } from "./core/config/load.ts";
import { formatProblems, type Problem } from "./core/config/problem.ts";
import {
  type ConfigInForce,
  type LiveConfig,
  liveConfig,
  logProblems,
} from "./core/config/reload.ts";
import { keepRestartOnly } from "./core/config/restart_only.ts";
import { type ConfigFiles, diskSources, givenSources, recording } from "./core/config/sources.ts";
import { keptSalt } from "./core/conversation.ts";
import { createFingerprints } from "./core/fingerprints.ts";
import { applySettings, type Gateway, startGateway } from "./core/gateway.ts";
import { Ledger } from "./core/limits/ledger.ts";
import { createLog, type Log, type LogSettings, print, printError, progress } from "./core/log.ts";
import type { Plugin } from "./core/plugin.ts";
import type { PolicyRunner } from "./core/policy_runner.ts";
import { policyGroups } from "./core/policy_groups.ts";
import { prepareQuickstart, type Quickstart, quickstartBanner } from "./core/quickstart.ts";
import type { UsageStore } from "./core/record.ts";
import { probeListen } from "./core/server.ts";
import { stopSignal } from "./core/signals.ts";
import type { Snapshot } from "./core/snapshot.ts";
import { tokenCommands } from "./core/token_commands.ts";
import type { Fleet } from "./core/workers/fleet.ts";
import type { Shipping, SupervisorSide, WorkerStart } from "./core/workers/messages.ts";
import { ShippedStore } from "./core/workers/shipped_store.ts";
import { Supervisor } from "./core/workers/supervisor.ts";
import { runWorker, type Serving } from "./core/workers/worker.ts";
import { WORKER, workerCommand } from "./core/workers/worker_command.ts";
import deno from "./deno.json" with { type: "json" };
import { dialects } from "./dialects/mod.ts";
import { addEchoCommands } from "./plugins/echo/commands.ts";
import { createPlugins, createSupervisorMetrics, createTracer, upstreams } from "./plugins/mod.ts";
import { addPolicyHost, createPolicyRunner, policyCommands } from "./policies/mod.ts";
import { addStorageCommands } from "./storage/commands.ts";
import { createDecisionArchive } from "./storage/decision_archive.ts";
import { feedbackSpools } from "./storage/feedback_spool.ts";
import type { OpenJournal } from "./storage/journal.ts";
import { readFingerprintKey, readIdentity } from "./storage/gateway_identity.ts";
import { openCalibrationKv } from "./storage/calibration_kv.ts";
import { openKv } from "./storage/ledger_kv.ts";
import { openPolicyBoard, postPolicyNotices } from "./storage/policy_board.ts";
import { openStateKv } from "./storage/state_kv.ts";
import {
  HELD_MS,
  holdState,
  openCacheIfOn,
  openJournalOrExit,
  openLedgerOrExit,
  openStoreIfOn,
  settleState,
  stateFolders,
} from "./storage/start.ts";
import { validateSchema } from "./storage/validate_schema.ts";
import { strategies } from "./strategies/mod.ts";

const registries = { dialects, strategies, builtins: upstreams };

const world: World = {
  env: (name) => Deno.env.get(name),
  stdin: () => new Response(Deno.stdin.readable).text(),
  print,
  printError,
  progress,
  now: Date.now,
};

/** Every command but `serve`, which is put together here. */
const commands: readonly AddCommands[] = [
  addPolicyHost,
  configCommands(registries, checkPolicies),
  tokenCommands(registries),
  addEchoCommands,
  policyCommands({
    config: (path) => loadForCommand(path, world, registries).snapshot,
    openBoard: openPolicyBoard,
    archive: createDecisionArchive({ settingsOf }),
    strategies,
    strategiesModule: new URL("./strategies/mod.ts", import.meta.url).href,
  }),
  (program, world) =>
    addStorageCommands(program, world, { settingsOf, routerVersion: deno.version }),
];

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

interface ServeOptions {
  readonly config?: string;
  readonly listen?: string;
  readonly quickstart?: true;
}

const SERVE_HELP = `
Signals: SIGHUP reloads the configuration, SIGTERM and SIGINT drain and stop (twice: at once).

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
  load(): LoadResult;
  /** The files as they were read last. */
  files(): ConfigFiles;
}

/** Opens everything a gateway is made of. */
async function start(path: string, listen: string | undefined): Promise<Gateway> {
  if (listen !== undefined) listenOption(listen);
  const log = createLog(FIRST_LOG);
  const policies = createPolicyRunner({ log, ...clocks });
  const { sources, files } = recording(diskSources(world));
  const load = () => loadConfig(path, sources, { ...registries, policies, listen });
  const initial = load();
  if (!initial.ok) throw new ExitError(1, formatProblems(initial.problems));
  const { server } = initial.snapshot;
  log.configure(server.logging);
  logProblems(log, initial.problems);
  await validateSchema(server.usageDb, world);
  holdState(server.ledger);
  const loaded = { path, initial, load, files };
  const gateway = server.workers === 1
    ? await serveAlone(loaded, { log, policies })
    : await supervise(loaded, log);
  log.write("info", "gateway_started", "Gateway is ready", { url: gateway.url });
  return gateway;
}

/** What a process that serves is given, alone or as one of several. */
interface Seat {
  readonly snapshot: Snapshot;
  readonly log: Log;
  readonly policies: PolicyRunner;
  readonly plugins: readonly Plugin[];
  readonly journal: OpenJournal;
  readonly store: UsageStore | null;
  readonly fleet: Fleet | null;
  /** See `LedgerWorld`. */
  readonly origin?: number;
}

/** The one process of a gateway. */
async function serveAlone(
  { initial, load }: Loaded,
  { log, policies }: Pick<Seat, "log" | "policies">,
): Promise<Gateway> {
  const { snapshot } = initial;
  await startPolicies(policies, snapshot);
  const plugins = createPlugins();
  const journal = await openJournalOrExit(snapshot.server, { log, now });
  const store = openStoreIfOn(snapshot.server, {
    log,
    routerVersion: deno.version,
    onUnshipped: (bytes) => journal.setUnshipped(bytes),
    onBatch: (ms) => plugins.forEach((plugin) => plugin.onShipped(ms)),
  });
  const seat = { snapshot, log, policies, plugins, journal, store, fleet: null };
  const { gateway } = await openSeat(seat, (onSwap) =>
    liveConfig({
      initial,
      load,
      log,
      prepare: (snapshot) => policies.prepare(policyGroups(snapshot), snapshot.server.policies),
      onSwap,
    }));
  return gateway;
}

/** The process that keeps the workers of a gateway running. */
async function supervise({ path, initial, load, files }: Loaded, log: Log): Promise<Gateway> {
  const { server } = initial.snapshot;
  await refuseBroken(initial.snapshot);
  const metrics = await createSupervisorMetrics({ build: BUILD, clock });
  await settleState(initial.snapshot, { log, ...clocks });
  const store = openStoreIfOn(server, {
    log,
    routerVersion: deno.version,
    onUnshipped: () => {},
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
  const supervisor = new Supervisor({
    workers: server.workers,
    path,
    listen: listenText(probeListen(server.listen)),
    files: files(),
    log,
    ...clocks,
    command: () => workerCommand(fileURLToPath(import.meta.url), stateFolders(server)),
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
async function serveBeside(start: WorkerStart, supervisor: SupervisorSide): Promise<Serving> {
  const { worker, workers, path, listen } = start;
  const log = createLog(FIRST_LOG, { now, line: printError, worker });
  const policies = createPolicyRunner({ log, ...clocks });
  const load = (files: ConfigFiles) =>
    loadConfig(path, givenSources(files, world), { ...registries, policies, listen });
  const [first, latest] = [load(start.first), load(start.latest)];
  if (!first.ok) throw new Error(formatProblems(first.problems));
  if (!latest.ok) throw new Error(formatProblems(latest.problems));
  const { snapshot } = keepRestartOnly(first.snapshot, latest.snapshot);
  log.configure(snapshot.server.logging);
  await startPolicies(policies, snapshot);
  const plugins = createPlugins();
  const journal = await openJournalOrExit(snapshot.server, { log, now, writer: worker }, HELD_MS);
  const store = start.shipping && new ShippedStore(supervisor, start.shipping);
  const ship = (shipping: Shipping) => {
    store?.update(shipping);
    if (shipping.unshippedBytes !== null) journal.setUnshipped(shipping.unshippedBytes);
  };
  if (start.shipping) ship(start.shipping);
  const fleet = { worker, workers, counts: () => supervisor.counts() };
  // Gateways that share a state have no clock in common but the wall's.
  const origin = snapshot.server.ledger.exclusive ? { origin: start.steady - clock() } : {};
  const seat = { snapshot, log, policies, plugins, journal, store, fleet, ...origin };
  const { gateway, config } = await openSeat(seat, (onSwap) =>
    new FollowedConfig({
      initial: snapshot,
      load,
      log,
      prepare: (snapshot) => policies.prepare(policyGroups(snapshot), snapshot.server.policies),
      onSwap,
    }));
  return {
    url: gateway.url,
    configure: (files) => config.follow(files),
    counts: async () =>
      (await Promise.all(plugins.map((plugin) => plugin.counts?.() ?? []))).flat(),
    ship,
    stop: gateway.stop,
  };
}

/** Puts a process that serves together. */
async function openSeat<Config extends ConfigInForce>(
  seat: Seat,
  configOf: (onSwap: (snapshot: Snapshot) => void) => Config,
): Promise<{ readonly gateway: Gateway; readonly config: Config }> {
  const { snapshot, log, journal, plugins, policies, origin } = seat;
  const ledger = new Ledger({ ...clocks, ...origin === undefined ? {} : { origin } });
  const ledgerStore = await openLedgerOrExit({ snapshot, ledger, journal, log, ...clocks });
  const config = configOf((snapshot) =>
    applySettings(snapshot, { log, journal, ledgerStore, plugins, policies })
  );
  const calibration = new Calibration();
  const { path } = snapshot.server.ledger;
  const kv = await openKv(path);
  const state = await openStateKv(path);
  const replica = world.env("POINTSMAN_REPLICA") || null;
  const gateway = startGateway({
    ...seat,
    config,
    dialects,
    builtins: upstreams,
    openSpool: feedbackSpools(snapshot.server.logging.path, seat.fleet?.worker ?? 0),
    ledger,
    ledgerStore,
    calibration,
    calibrationStore: await openCalibrationKv(kv, { calibration, log }),
    policyNotices: postPolicyNotices(kv, { policies, log, replica, now }),
    cacheStore: await openCacheIfOn(snapshot.server, log),
    build: BUILD,
    replica,
    ...await identityOf(kv),
    state,
    conversationSalt: await keptSalt(state),
    tracer: world.env("OTEL_DENO") === "true" ? createTracer(deno.version) : null,
  });
  return { gateway, config };
}

const clock = () => performance.now();
const now = Date.now;
const clocks = { now, clock };

/** Time to ship what is left when the gateway ends, ms. */
const SHIP_MS = 10_000;

/** Until the configuration says how. */
const FIRST_LOG: LogSettings = { level: "info", format: "json" };

/** Whether every policy of a configuration can be bundled and loaded. */
async function checkPolicies({ groups, server }: Snapshot): Promise<readonly Problem[]> {
  const policies = createPolicyRunner({ log: createLog(FIRST_LOG), ...clocks });
  try {
    return await policies.prepare(policyGroups({ groups }), server.policies);
  } finally {
    await policies.close();
  }
}

/** Brings the policies of the first configuration into force. */
async function startPolicies(policies: PolicyRunner, snapshot: Snapshot): Promise<void> {
  const problems = await policies.prepare(policyGroups(snapshot), snapshot.server.policies);
  if (problems.length > 0) {
    await policies.close();
    throw new ExitError(1, formatProblems(problems));
  }
  policies.adopt(policyGroups(snapshot), snapshot.server.policies);
}

/** What a supervisor would have its workers refuse. */
async function refuseBroken(snapshot: Snapshot): Promise<void> {
  const problems = await checkPolicies(snapshot);
  if (problems.length > 0) throw new ExitError(1, formatProblems(problems));
}

/** Who this gateway is, and how it names what must not be told. */
async function identityOf(kv: Deno.Kv) {
  const { gatewayId, fingerprintKey } = await readIdentity(kv);
  const given = world.env("POINTSMAN_FINGERPRINT_KEY");
  const key = given ? readFingerprintKey(given) : fingerprintKey;
  if (key) return { gatewayId, fingerprints: createFingerprints(key) };
  throw new ExitError(1, "Cannot read POINTSMAN_FINGERPRINT_KEY: expected 64 hex digits");
}

/** Runs the command line; gives the exit code. */
async function run(args: readonly string[]): Promise<number> {
  const program = new Command("pointsman")
    .description("LLM gateway: one endpoint, three dialects, model groups instead of models")
    .version(deno.version)
    .exitOverride()
    .configureOutput({
      writeOut: (text) => print(text.trimEnd()),
      writeErr: (text) => printError(text.trimEnd()),
    })
    .showHelpAfterError("(add --help for usage)");
  addServe(program);
  program.command(WORKER, { hidden: true }).action(() => runWorker(serveBeside));
  for (const add of commands) add(program, world);
  try {
    await program.parseAsync([...args], { from: "user" });
    return 0;
  } catch (error) {
    return exitCode(error);
  }
}

function exitCode(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
  if (error instanceof ExitError) {
    if (error.message) printError(error.message);
    return error.code;
  }
  printError(error instanceof Error ? error.message : String(error));
  return 1;
}

if (import.meta.main) Deno.exit(await run(Deno.args));
