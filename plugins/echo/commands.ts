import { type AddCommands, ExitError, type World } from "@/core/command.ts";
import { echoUpstream } from "./mod.ts";
import { MODELS } from "./script.ts";
import { type EchoServer, type ListenAddress, serveEcho } from "./server.ts";

const DEFAULT_ADDRESS = "127.0.0.1:4010";
const FAILURE = 1;
const USAGE_ERROR = 2;

/** Adds `echo`, which serves the scripted models on a socket until SIGINT or SIGTERM. */
export const addEchoCommands: AddCommands = (program, world) => {
  program
    .command("echo")
    .description("serve scripted models that speak all wire formats, for tests and first runs")
    .option(
      "--listen <address>",
      "host:port to listen on; port 0 takes a free one",
      DEFAULT_ADDRESS,
    )
    .addHelpText("after", `\nModels:\n${modelTable()}`)
    .action((options: { readonly listen: string }) => run(options.listen, world));
};

async function run(listen: string, world: World): Promise<void> {
  const server = listenOn(listen);
  const ended = signalled();
  world.print(`echo listens on ${server.url}`);
  await ended;
  await server.stop();
}

function listenOn(listen: string): EchoServer {
  const address = parseAddress(listen);
  try {
    return serveEcho(echoUpstream, address);
  } catch (error) {
    const why = error instanceof Error ? error.message : "unknown error";
    throw new ExitError(FAILURE, `Cannot listen on ${listen}: ${why}`);
  }
}

/**
 * Reads `host:port`, `[ipv6]:port` or `:port` (all addresses).
 *
 * @throws {ExitError} when the text is none of these
 */
export function parseAddress(text: string): ListenAddress {
  const found = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]\s]*)):(\d{1,5})$/.exec(text);
  const port = Number(found?.[3]);
  if (!found || port > 65_535) {
    throw new ExitError(USAGE_ERROR, `Cannot parse listen address "${text}": expected host:port`);
  }
  return { hostname: found[1] ?? (found[2] || "0.0.0.0"), port };
}

function modelTable(): string {
  const width = Math.max(...MODELS.map(({ name }) => name.length));
  return MODELS.map(({ name, does }) => `  ${name.padEnd(width)}  ${does}`).join("\n");
}

function signalled(): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const signals = ["SIGINT", "SIGTERM"] as const;
  const onSignal = () => {
    for (const signal of signals) Deno.removeSignalListener(signal, onSignal);
    resolve();
  };
  for (const signal of signals) Deno.addSignalListener(signal, onSignal);
  return promise;
}
