import { type AddCommands, examples, ExitError, listenOption, type World } from "@/core/command.ts";
import { stopSignal } from "@/core/signals.ts";
import { messageOf } from "@/core/thrown.ts";
import { echoUpstream } from "./mod.ts";
import { MODELS } from "./script.ts";
import { type EchoServer, serveEcho } from "./server.ts";

const DEFAULT_ADDRESS = "127.0.0.1:4010";
const FAILURE = 1;

const EXAMPLES = examples("pointsman echo", "pointsman echo --listen 127.0.0.1:0");

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
    .addHelpText("after", `\nModels:\n${modelTable()}\n${EXAMPLES}`)
    .action((options: { readonly listen: string }) => run(options.listen, world));
};

async function run(listen: string, world: World): Promise<void> {
  const server = listenOn(listen);
  const ended = stopSignal();
  world.print(`echo listens on ${server.url}`);
  await ended;
  await server.stop();
}

function listenOn(listen: string): EchoServer {
  const address = listenOption(listen);
  try {
    return serveEcho(echoUpstream, address);
  } catch (error) {
    const why = messageOf(error);
    throw new ExitError(FAILURE, `Cannot listen on ${listen}: ${why}`);
  }
}

function modelTable(): string {
  const width = Math.max(...MODELS.map(({ name }) => name.length));
  return MODELS.map(({ name, does }) => `  ${name.padEnd(width)}  ${does}`).join("\n");
}
