import { Command, CommanderError } from "commander";
import { configCommands, configPath, loadForCommand, withConfigOption } from "./core/commands.ts";
import { type AddCommands, ExitError, type World } from "./core/command.ts";
import { loadConfig } from "./core/config/load.ts";
import { DEMO_TOKEN } from "./core/config/check_server.ts";
import { isLoopback, parseListen } from "./core/config/listen.ts";
import { formatProblems } from "./core/config/problem.ts";
import { type LiveConfig, liveConfig, logProblems } from "./core/config/reload.ts";
import { diskSources } from "./core/config/sources.ts";
import { applySettings, type Gateway, startGateway } from "./core/gateway.ts";
import { createLog, print, printError } from "./core/log.ts";
import { prepareQuickstart, type Quickstart, quickstartBanner } from "./core/quickstart.ts";
import { tokenCommands } from "./core/token_commands.ts";
import deno from "./deno.json" with { type: "json" };
import { dialects } from "./dialects/mod.ts";
import { addEchoCommands } from "./plugins/echo/commands.ts";
import { upstreams } from "./plugins/mod.ts";
import { addStorageCommands } from "./storage/commands.ts";
import { openJournal } from "./storage/journal.ts";
import { openUsageStore } from "./storage/store.ts";
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
  configCommands(registries),
  tokenCommands(registries),
  addEchoCommands,
  (program, world) =>
    addStorageCommands(
      program,
      world,
      (path) => loadForCommand(path, world, registries).snapshot.server,
    ),
];

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
  const gateway = start(configPath(options.config ?? made?.configPath, world), options.listen);
  const asked = stopped();
  announce(gateway, made);
  await asked;
  const stop = gateway.stop();
  void stopped().then(() => gateway.stop());
  await stop;
}

function announce(gateway: Gateway, made: Quickstart | null): void {
  if (made) print(quickstartBanner(gateway.url, made.token, made.group));
  else print(`Pointsman listens on ${gateway.url}`);
}

/** Opens everything a gateway is made of. */
function start(path: string, listen: string | undefined): Gateway {
  const load = () => withListen(loadConfig(path, diskSources(world), registries), listen);
  const initial = load();
  if (!initial.ok) throw new ExitError(1, formatProblems(initial.problems));
  const { logging, usageDb } = initial.snapshot.server;
  const log = createLog(logging);
  logProblems(log, initial.problems);
  const journal = openJournal(logging, { log, now: Date.now, shipped: usageDb.enabled });
  const store = usageDb.enabled
    ? openUsageStore({
      logging,
      usageDb,
      log,
      routerVersion: deno.version,
      onUnshipped: (bytes) => journal.setUnshipped(bytes),
    })
    : null;
  const config: LiveConfig = liveConfig({
    initial,
    load,
    log,
    onSwap: (snapshot) => applySettings(snapshot, { log, journal }),
  });
  const gateway = startGateway({
    config,
    dialects,
    builtins: upstreams,
    journal,
    store,
    log,
    build: {
      version: deno.version,
      commit: world.env("POINTSMAN_COMMIT") ?? "",
      builtAt: world.env("POINTSMAN_BUILT_AT") ?? "",
    },
    replica: world.env("POINTSMAN_REPLICA") || null,
    copiesTraceHeaders: world.env("OTEL_DENO") !== "true",
  });
  log.write("info", "gateway_started", "Gateway is ready", { url: gateway.url });
  return gateway;
}

/** `--listen` wins over the file, at the start and at every reload. */
function withListen(result: ReturnType<typeof loadConfig>, listen: string | undefined) {
  if (!result.ok || listen === undefined) return result;
  const address = parseListen(listen);
  if (!address) {
    throw new ExitError(2, `Cannot parse --listen "${listen}": expected host:port or :port`);
  }
  const { snapshot } = result;
  if (snapshot.credentials.has(DEMO_TOKEN) && !isLoopback(address)) {
    throw new ExitError(1, `Cannot listen on ${listen}: a caller has the documentation's token`);
  }
  const server = { ...snapshot.server, listen: address };
  return { ...result, snapshot: { ...snapshot, server } };
}

/** Ends at the next SIGTERM or SIGINT. */
function stopped(): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const signals = ["SIGINT", "SIGTERM"] as const;
  const onSignal = () => {
    for (const signal of signals) Deno.removeSignalListener(signal, onSignal);
    resolve();
  };
  for (const signal of signals) Deno.addSignalListener(signal, onSignal);
  return promise;
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
