import { dirname, join } from "node:path";
import { tokenDigestHex } from "@/core/tokens.ts";
import deno from "../../deno.json" with { type: "json" };

/** Obviously no secret. */
export const TOKEN = `rtr_bench_${"A".repeat(43)}`;

/** A server in its own process. */
export interface Running extends AsyncDisposable {
  readonly url: string;
  readonly pid: number;
  /** From spawn to its first line, ms. */
  readonly startMs: number;
}

const here = (file: string) => new URL(file, import.meta.url).pathname;
const NET = ["--no-remote", "--allow-net"];

/** Starts the mock provider. */
export function startMock(): Promise<Running> {
  return spawn([...NET, here("./upstream.ts")]);
}

/** Starts the bare reverse proxy before an upstream. */
export function startBareProxy(upstream: string): Promise<Running> {
  return spawn([...NET, here("./bare_proxy.ts"), upstream]);
}

/** Starts the least that a gateway does, before an upstream; `dir` holds its lines. */
export function startLeastGateway(upstream: string, dir: string): Promise<Running> {
  const flags = ["--unstable-no-legacy-abort", "--allow-read", `--allow-write=${dir}`];
  return spawn([...NET, ...flags, here("./least_gateway.ts"), upstream, join(dir, "lines.jsonl")]);
}

/** What differs between gateways of benches. */
interface ConfigChanges {
  readonly strategy?: string;
  /** Added to `server` and to each caller. */
  readonly serverKeys?: string;
  readonly callerKeys?: string;
  /** Callers it has; the token of each is `tokenOf` its place. */
  readonly callers?: number;
}

/** The token of a caller. */
export const tokenOf = (place: number) => place === 0 ? TOKEN : `${TOKEN}${place}`;

/** Starts the gateway as it is shipped, with one chat provider; `dir` holds its state. */
export async function startGateway(
  upstream: string,
  dir: string,
  { env = {}, ...changes }: ConfigChanges & {
    readonly env?: Readonly<Record<string, string>>;
  } = {},
): Promise<Running> {
  const text = configText(upstream, changes);
  return await startConfigured(await writeConfig(text, dir), env);
}

/** Starts the gateway as it is shipped; its state lies beside its configuration. */
export async function startConfigured(
  config: string,
  env: Readonly<Record<string, string>> = {},
): Promise<Running> {
  const serve = [here("../../main.ts"), "serve", "--config", config];
  return await spawn([...gatewayFlags(dirname(config)), ...serve], env);
}

/** Starts the engine alone: no metrics, no shipping, and journal lines that go to `/dev/null`. */
export async function startQuietGateway(upstream: string, dir: string): Promise<Running> {
  const config = await writeConfig(configText(upstream), dir);
  return await spawn([...gatewayFlags(dir, "/dev/null"), here("./quiet_gateway.ts"), config]);
}

/** Starts an endpoint that takes traces and forgets them. */
export function startCollector(): Promise<Running> {
  return spawn([...NET, here("./collector.ts")]);
}

function gatewayFlags(...writable: readonly string[]): readonly string[] {
  const engine = deno.tasks.start.split(" ").filter((word) => word.startsWith("--v8-flags="));
  const flags = [
    ...engine,
    "--no-remote",
    "--no-prompt",
    "--allow-net",
    "--allow-env",
    "--allow-read",
  ];
  return [...flags, `--allow-write=${writable}`, `--allow-run=${Deno.execPath()}`];
}

/** Writes the configuration of a gateway into a folder that will also hold its state. */
export async function writeConfig(text: string, dir: string): Promise<string> {
  const config = join(dir, "config.yaml");
  await Deno.mkdir(dir, { recursive: true });
  await Deno.writeTextFile(config, text);
  return config;
}

/** A configuration with one group of one target. */
export function configText(
  upstream: string,
  { strategy = "weighted", serverKeys = "", callerKeys = "", callers = 1 }: ConfigChanges = {},
): string {
  const caller = (place: number) =>
    `  - { id: bench${place || ""}, token_sha256: ${
      tokenDigestHex(tokenOf(place))
    }, allow: [bench]${callerKeys} }`;
  return `server: { listen: "127.0.0.1:0", default_model_group: bench${serverKeys} }
providers:
  mock:
    base_url: ${upstream}/v1
    dialect: openai-chat
    api_key: no-secret
models:
  bench:
    strategy: ${strategy.split(", ").join("\n    ")}
    targets:
      - provider: mock
        model: bench
        context_tokens: 1000000
        tool_support: { openai-chat: [tools, tool_choice] }
        input_price_per_million_usd: 1
        output_price_per_million_usd: 2
callers:
${Array.from({ length: callers }, (_, place) => caller(place)).join("\n")}
`;
}

/** Starts a server that prints its address. */
export async function spawn(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Running> {
  const started = performance.now();
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", ...args],
    env: { ...env },
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const lines = child.stdout.pipeThrough(new TextDecoderStream());
  for await (const text of lines.values({ preventCancel: true })) {
    const url = /http:\/\/[\d.]+:\d+/.exec(text)?.[0];
    if (url === undefined) continue;
    return {
      url,
      pid: child.pid,
      startMs: performance.now() - started,
      async [Symbol.asyncDispose]() {
        child.kill("SIGTERM");
        await lines.cancel();
        await child.status;
      },
    };
  }
  throw new Error(`Cannot start ${args.at(-1)}`);
}

/** CPU a process and its children have used so far, ms; `null` where the system does not tell. */
export async function cpuMs(pid: number): Promise<number | null> {
  const stat = await proc(pid, "stat");
  const fields = stat?.slice(stat.lastIndexOf(")") + 2).split(" ");
  if (!fields) return null;
  const children = (await proc(pid, `task/${pid}/children`))?.trim().split(" ") ?? [];
  const used = await Promise.all(children.filter(Boolean).map((child) => cpuMs(Number(child))));
  const own = (Number(fields[11]) + Number(fields[12])) * 10;
  return used.reduce<number>((sum, ms) => sum + (ms ?? 0), own);
}

/** CPU that each thread of a process has used so far, us, by its name; empty where the system does not tell. */
export async function threadsUs(pid: number): Promise<ReadonlyMap<string, number>> {
  const each = `for t in /proc/${pid}/task/*; do cat $t/comm $t/schedstat; done`;
  const { stdout } = await new Deno.Command("sh", { args: ["-c", each], stderr: "null" }).output();
  const lines = new TextDecoder().decode(stdout).trim().split("\n");
  const used = new Map<string, number>();
  for (let place = 0; place + 1 < lines.length; place += 2) {
    const name = lines[place]!;
    used.set(name, (used.get(name) ?? 0) + Number(lines[place + 1]!.split(" ")[0]) / 1_000);
  }
  return used;
}

/** Resident memory of a process, MB; `null` where the system does not tell. */
export async function residentMb(pid: number): Promise<number | null> {
  const kb = /VmRSS:\s+(\d+)/.exec(await proc(pid, "status") ?? "")?.[1];
  return kb === undefined ? null : Math.round(Number(kb) / 1024);
}

/** Deno itself lets nothing read `/proc` short of all permissions. */
async function proc(pid: number, file: string): Promise<string | null> {
  try {
    const { success, stdout } = await new Deno.Command("cat", { args: [`/proc/${pid}/${file}`] })
      .output();
    return success ? new TextDecoder().decode(stdout) : null;
  } catch {
    return null;
  }
}
