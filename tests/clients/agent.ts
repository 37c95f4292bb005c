import { join } from "node:path";
import type { DialectName } from "@/core/dialect_name.ts";
import { CALL_PATH } from "../gateway.ts";
import { type AgentName, programOf } from "./installed.ts";
import { at, blocksOf, exportsOf } from "./page.ts";

/** Where an agent runs. */
interface Place {
  /** Folder with nothing else in it; the agent's settings and its workspace go below it. */
  readonly dir: string;
  /** Base URL of the gateway. */
  readonly url: string;
  /** Where all traffic goes that is not for this machine. */
  readonly proxy: string;
  /** More words of its command line. */
  readonly args?: readonly string[];
  /** Whether it goes on with its last session there. */
  readonly resumed?: boolean;
}

/** How a run ended. */
export interface Run {
  readonly code: number;
  /** What it printed. */
  readonly output: string;
}

/** A coding agent. */
export interface Agent {
  readonly name: AgentName;
  /** Page of `docs/clients/` whose settings it runs with. */
  readonly page: string;
  readonly dialect: DialectName;
  /** Path of its calls, as it writes it. */
  readonly path: string;
  /** Settings files by path below its home. */
  files(place: Place): Readonly<Record<string, string>>;
  env(place: Place): Readonly<Record<string, string>>;
  /** Its command line; `resumed`: it goes on with its last session. */
  args(prompt: string, resumed: boolean): readonly string[];
}

/** A session of three turns takes about a second. */
const LIMIT_MS = 60_000;

/** Codex, as its page says; a failure ends a session at once. */
export const codex: Agent = {
  name: "codex",
  page: "codex.md",
  dialect: "openai-responses",
  path: CALL_PATH["openai-responses"],
  files: ({ url }) => ({ ".codex/config.toml": at(url, blocksOf("codex.md", "toml")[0]!) }),
  env: ({ dir, url }) => ({
    CODEX_HOME: join(dir, "home/.codex"),
    ...exportsOf(at(url, blocksOf("codex.md", "sh")[0]!)),
  }),
  args: (prompt, resumed) => [
    "exec",
    "--skip-git-repo-check",
    "--sandbox=danger-full-access",
    "--json",
    ...(resumed ? ["resume", "--last"] : []),
    "--config=model_providers.pointsman.request_max_retries=0",
    "--config=model_providers.pointsman.stream_max_retries=0",
    prompt,
  ],
};

/** Claude Code, as its page says; a failure ends a session at once. */
export const claudeCode: Agent = {
  name: "claude-code",
  page: "claude-code.md",
  dialect: "anthropic",
  path: `${CALL_PATH.anthropic}?beta=true`,
  files: () => ({}),
  env: ({ url }) => ({
    CLAUDE_CODE_MAX_RETRIES: "0",
    ...exportsOf(at(url, blocksOf("claude-code.md", "sh")[0]!)),
  }),
  args: (prompt, resumed) => [
    "--print",
    prompt,
    "--output-format=json",
    "--allowedTools=Read,Edit",
    ...(resumed ? ["--continue"] : []),
  ],
};

/** Makes a place with an empty workspace in it; it is removed at the end. */
export async function makeWorkspace() {
  const dir = await Deno.makeTempDir();
  const work = join(dir, "work");
  await Deno.mkdir(work);
  return { dir, work, [Symbol.asyncDispose]: () => Deno.remove(dir, { recursive: true }) };
}

/** Runs an agent in `<dir>/work` to its end. */
export async function runAgent(agent: Agent, prompt: string, place: Place): Promise<Run> {
  const home = join(place.dir, "home");
  for (const [path, text] of Object.entries(agent.files(place))) {
    await Deno.mkdir(join(home, path, ".."), { recursive: true });
    await Deno.writeTextFile(join(home, path), text);
  }
  await Deno.mkdir(home, { recursive: true });
  const child = new Deno.Command(programOf(agent.name), {
    args: [...agent.args(prompt, place.resumed ?? false), ...place.args ?? []],
    cwd: join(place.dir, "work"),
    clearEnv: true,
    env: {
      PATH: Deno.env.get("PATH") ?? "",
      HOME: home,
      ...proxied(place),
      ...agent.env(place),
    },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const timer = setTimeout(() => child.kill("SIGKILL"), LIMIT_MS);
  try {
    const { code, stdout, stderr } = await child.output();
    const decoder = new TextDecoder();
    return { code, output: decoder.decode(stdout) + decoder.decode(stderr) };
  } finally {
    clearTimeout(timer);
  }
}

/** All traffic goes to the proxy but what stays on this machine; names resolve nowhere. */
function proxied({ proxy }: Place): Record<string, string> {
  const names = ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"];
  return Object.fromEntries([
    ...names.flatMap((name) => [[name, proxy], [name.toLowerCase(), proxy]]),
    ["NO_PROXY", "127.0.0.1"],
    ["no_proxy", "127.0.0.1"],
  ]);
}
