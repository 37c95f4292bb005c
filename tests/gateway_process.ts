import { join } from "node:path";
import { fileURLToPath } from "node:url";
import deno from "../deno.json" with { type: "json" };
import { type ConfigOptions, writeFolder } from "./gateway.ts";

/** The gateway as a process of its own, with the permissions of the start task. */
export interface GatewayProcess extends AsyncDisposable {
  readonly url: string;
  readonly pid: number;
  /** What it wrote to stdout and stderr so far. */
  output(): string;
  /** Ends when the output matches; rejects when the process ends before. */
  said(pattern: RegExp): Promise<void>;
  kill(signal: Deno.Signal): void;
  /** Exit code, as soon as it has ended. */
  readonly ended: Promise<number>;
}

/** How a process is started. */
interface SpawnOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** Name of the config file in the folder. */
  readonly config?: string;
}

const MAIN = fileURLToPath(new URL("../main.ts", import.meta.url));

/** Flags of `deno task start`: the permissions a deployed gateway has. */
function startFlags(): string[] {
  const [, , ...words] = deno.tasks.start.replace(/\$\(.*\)/, Deno.execPath()).split(" ");
  return words.slice(0, words.indexOf("main.ts"));
}

/** Makes a folder with a config file; it is removed at the end. */
export async function makeFolder(
  options: ConfigOptions,
): Promise<{ readonly dir: string } & AsyncDisposable> {
  const dir = await Deno.makeTempDir();
  writeFolder(dir, options);
  return { dir, [Symbol.asyncDispose]: () => Deno.remove(dir, { recursive: true }) };
}

/** Starts `serve` in a folder and waits until it listens; rejects with its output when it ends first. */
export async function spawnGateway(
  dir: string,
  options: SpawnOptions = {},
): Promise<GatewayProcess> {
  const child = spawnServe(dir, options);
  const { output, said } = collect(child);
  const ended = child.status.then(({ code }) => code);
  const process = {
    pid: child.pid,
    output,
    said,
    ended,
    kill: (signal: Deno.Signal) => child.kill(signal),
    async [Symbol.asyncDispose]() {
      try {
        child.kill("SIGKILL");
      } catch {
        // It has ended already.
      }
      await said.finished;
      await ended;
    },
  };
  try {
    await said(LISTENS);
  } catch (error) {
    await process[Symbol.asyncDispose]();
    throw error;
  }
  return { ...process, url: LISTENS.exec(output())![1]! };
}

const LISTENS = /Pointsman listens on (http:\S+)/;

/** Runs `serve`, or another command, in a folder to its end. */
export async function runServe(
  dir: string,
  words: readonly string[] = ["serve"],
): Promise<{ readonly code: number; readonly output: string }> {
  const { code, stdout, stderr } = await serveCommand(dir, { words }).output();
  const decoder = new TextDecoder();
  return { code, output: decoder.decode(stdout) + decoder.decode(stderr) };
}

function spawnServe(dir: string, options: SpawnOptions): Deno.ChildProcess {
  return serveCommand(dir, options).spawn();
}

/** A file that grows past its limit must be an error to the process, not its end. */
const IGNORE_FILE_SIZE_SIGNAL = `trap '' XFSZ; exec "$@"`;

function serveCommand(
  dir: string,
  { env = {}, config = "config.yaml", words = ["serve"] }: SpawnOptions & {
    readonly words?: readonly string[];
  } = {},
): Deno.Command {
  const serve = [MAIN, ...words, "--config", join(dir, config)];
  const command = [Deno.execPath(), "run", ...startFlags(), ...serve];
  return new Deno.Command("sh", {
    args: ["-c", IGNORE_FILE_SIZE_SIGNAL, "sh", ...command],
    cwd: dir,
    env: { ...env, NO_COLOR: "1" },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  });
}

function collect(child: Deno.ChildProcess) {
  let text = "";
  let open = true;
  let more = Promise.withResolvers<void>();
  const wake = () => {
    more.resolve();
    more = Promise.withResolvers();
  };
  async function read(stream: ReadableStream<Uint8Array>): Promise<void> {
    for await (const piece of stream.pipeThrough(new TextDecoderStream())) {
      text += piece;
      wake();
    }
  }
  const finished = Promise.all([read(child.stdout), read(child.stderr)]).then(() => {
    open = false;
    wake();
  });
  async function said(pattern: RegExp): Promise<void> {
    while (!pattern.test(text)) {
      if (!open) throw new Error(`Cannot find ${pattern} in the output: ${text}`);
      await more.promise;
    }
  }
  return { output: () => text, said: Object.assign(said, { finished }) };
}
