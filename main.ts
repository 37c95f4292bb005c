import { Command, CommanderError } from "commander";
import type { CacheStore } from "./core/cache/entry.ts";
import { Calibration } from "./core/calibration.ts";
import { configCommands, configPath, loadForCommand, withConfigOption } from "./core/commands.ts";
import { type AddCommands, ExitError, listenOption, type World } from "./core/command.ts";
import { loadConfig } from "./core/config/load.ts";
import { formatProblems, type Problem } from "./core/config/problem.ts";
import { type LiveConfig, liveConfig, logProblems } from "./core/config/reload.ts";
import { diskSources } from "./core/config/sources.ts";
import { createFingerprints } from "./core/fingerprints.ts";
import { applySettings, type Gateway, startGateway } from "./core/gateway.ts";
import { Ledger } from "./core/limits/ledger.ts";
import type { LedgerStore } from "./core/limits/ledger_store.ts";
import { createLog, type Log, type LogSettings, print, printError } from "./core/log.ts";
import type { Plugin } from "./core/plugin.ts";
import type { PolicyRunner } from "./core/policy_runner.ts";
import { prepareQuickstart, type Quickstart, quickstartBanner } from "./core/quickstart.ts";
import { stopSignal } from "./core/signals.ts";
import type { LoggingSettings, ServerSettings, Snapshot } from "./core/snapshot.ts";
import { tokenCommands } from "./core/token_commands.ts";
import deno from "./deno.json" with { type: "json" };
import { dialects } from "./dialects/mod.ts";
import { addEchoCommands } from "./plugins/echo/commands.ts";
import { createPlugins, createTracer, upstreams } from "./plugins/mod.ts";
import { createPolicyRunner, policyCommands } from "./policies/mod.ts";
import { addStorageCommands } from "./storage/commands.ts";
import { type JournalWorld, type OpenJournal, openJournal } from "./storage/journal.ts";
import { openCalibrationKv } from "./storage/calibration_kv.ts";
import { openCacheKv, readCacheKey } from "./storage/cache_kv.ts";
import { readFingerprintKey, readIdentity } from "./storage/gateway_identity.ts";
import { openKv } from "./storage/ledger_kv.ts";
import { openLedgerStore } from "./storage/ledger_store.ts";
import type { LedgerStoreOptions } from "./storage/ledger_store_options.ts";
import { openPolicyBoard, postPolicyNotices } from "./storage/policy_board.ts";
import { openUsageStore } from "./storage/store.ts";
import { validateSchema } from "./storage/validate_schema.ts";
import { strategies } from "./strategies/mod.ts";

const registries = { dialects, strategies, builtins: upstreams };

const world: World = {
  env: (name) => Deno.env.get(name),
  stdin: () => new Response(Deno.stdin.readable).text(),
  print,
  printError,
  now: Date.now,
};

/** Every command but `serve`, which is put together here. */
const commands: readonly AddCommands[] = [
  configCommands(registries, checkPolicies),
  tokenCommands(registries),
  addEchoCommands,
  policyCommands((path) => {
    const { groups, server } = loadForCommand(path, world, registries).snapshot;
    return { groups, settings: server.policies, statePath: server.ledger.path };
  }, openPolicyBoard),
  (program, world) =>
    addStorageCommands(program, world, {
      settingsOf: (path) => {
        const { server, groups } = loadForCommand(path, world, registries).snapshot;
        return { ...server, groups };
      },
      routerVersion: deno.version,
    }),
];

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

/** Opens everything a gateway is made of. */
async function start(path: string, listen: string | undefined): Promise<Gateway> {
  if (listen !== undefined) listenOption(listen);
  const log = createLog(FIRST_LOG);
  const policies = createPolicyRunner({ log, clock });
  const load = () => loadConfig(path, diskSources(world), { ...registries, policies, listen });
  const initial = load();
  if (!initial.ok) throw new ExitError(1, formatProblems(initial.problems));
  log.configure(initial.snapshot.server.logging);
  logProblems(log, initial.problems);
  await validateSchema(initial.snapshot.server.usageDb, world);
  await startPolicies(policies, initial.snapshot);
  const plugins = createPlugins();
  const { journal, store } = openStores(initial.snapshot.server, { log, plugins });
  const ledger = new Ledger(clocks);
  const ledgerStore = await openLedger(initial.snapshot, { ledger, journal, log, ...clocks });
  const calibration = new Calibration();
  const state = await openKv(initial.snapshot.server.ledger.path);
  const calibrationStore = await openCalibrationKv(state, { calibration, log });
  const config: LiveConfig = liveConfig({
    initial,
    load,
    log,
    prepare: (snapshot) => policies.prepare(snapshot.groups.values(), snapshot.server.policies),
    onSwap: (snapshot) => applySettings(snapshot, { log, journal, ledgerStore, plugins, policies }),
  });
  const gateway = startGateway({
    config,
    dialects,
    builtins: upstreams,
    journal,
    store,
    policies,
    ledger,
    ledgerStore,
    calibration,
    calibrationStore,
    policyNotices: postPolicyNotices(state, {
      policies,
      log,
      process: `${world.env("POINTSMAN_REPLICA") || "process"} ${Deno.pid}`,
      now: Date.now,
    }),
    cacheStore: await openCache(initial.snapshot.server, log),
    log,
    build: BUILD,
    replica: world.env("POINTSMAN_REPLICA") || null,
    ...await identityOf(state),
    tracer: world.env("OTEL_DENO") === "true" ? createTracer(deno.version) : null,
    plugins,
  });
  log.write("info", "gateway_started", "Gateway is ready", { url: gateway.url });
  return gateway;
}

const clock = () => performance.now();
const clocks = { now: Date.now, clock };

/** Until the configuration says how. */
const FIRST_LOG: LogSettings = { level: "info", format: "json" };

/** Whether every policy of a configuration can be bundled and loaded. */
async function checkPolicies({ groups, server }: Snapshot): Promise<readonly Problem[]> {
  const policies = createPolicyRunner({ log: createLog(FIRST_LOG), clock });
  try {
    return await policies.prepare(groups.values(), server.policies);
  } finally {
    await policies.close();
  }
}

/** Brings the policies of the first configuration into force. */
async function startPolicies(policies: PolicyRunner, snapshot: Snapshot): Promise<void> {
  const problems = await policies.prepare(snapshot.groups.values(), snapshot.server.policies);
  if (problems.length > 0) {
    await policies.close();
    throw new ExitError(1, formatProblems(problems));
  }
  policies.adopt(snapshot.groups.values(), snapshot.server.policies);
}

/** Where the records of calls go. */
function openStores(
  { logging, usageDb, rollups, retention }: ServerSettings,
  { log, plugins }: { readonly log: Log; readonly plugins: readonly Plugin[] },
) {
  const journal = openJournalAt(logging, { log, now: Date.now, shipped: usageDb.enabled });
  const store = usageDb.enabled
    ? openUsageStore({
      logging,
      usageDb,
      rollups,
      retention,
      log,
      routerVersion: deno.version,
      onUnshipped: (bytes) => journal.setUnshipped(bytes),
      onBatch: (ms) => plugins.forEach((plugin) => plugin.onShipped(ms)),
    })
    : null;
  return { journal, store };
}

/** Who this gateway is, and how it names what must not be told. */
async function identityOf(state: Deno.Kv) {
  const { gatewayId, fingerprintKey } = await readIdentity(state);
  const given = world.env("POINTSMAN_FINGERPRINT_KEY");
  const key = given ? readFingerprintKey(given) : fingerprintKey;
  if (key) return { gatewayId, fingerprints: createFingerprints(key) };
  throw new ExitError(1, "Cannot read POINTSMAN_FINGERPRINT_KEY: expected 64 hex digits");
}

async function openLedger(
  snapshot: Snapshot,
  options: Omit<LedgerStoreOptions, "snapshot">,
): Promise<LedgerStore> {
  try {
    return await openLedgerStore({ snapshot, ...options });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    const { path } = snapshot.server.ledger;
    throw new ExitError(1, `Cannot open the state "${path}": ${reason}`);
  }
}

/** The second level of the cache, where it is on. */
async function openCache({ cache, ledger }: ServerSettings, log: Log): Promise<CacheStore | null> {
  if (!cache.secondLevel.enabled) return null;
  const secret = readCacheKey(cache.secondLevel.secret);
  if (secret === null) {
    throw new ExitError(1, "Cannot open the cache: its key is not 32 bytes in hex or base64");
  }
  return await openCacheKv(await openKv(ledger.path), secret, { log, now: Date.now });
}

function openJournalAt(logging: LoggingSettings, options: JournalWorld): OpenJournal {
  try {
    return openJournal(logging, options);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new ExitError(
      1,
      reason.startsWith("Cannot") ? reason : `Cannot open the journal "${logging.path}": ${reason}`,
    );
  }
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
