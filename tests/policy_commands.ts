import assert from "node:assert/strict";
import { Command } from "commander";
import { join } from "node:path";
import { configPath } from "@/core/config_option.ts";
import { ExitError, type World } from "@/core/command.ts";
import { loadConfig } from "@/core/config/load.ts";
import { formatProblems } from "@/core/config/problem.ts";
import { diskSources } from "@/core/config/sources.ts";
import { dialects } from "@/dialects/mod.ts";
import { upstreams } from "@/plugins/mod.ts";
import type { PolicyConfig } from "@/policies/commands/configured.ts";
import { policyCommands } from "@/policies/commands.ts";
import { createDecisionArchive } from "@/storage/decision_archive.ts";
import { openPolicyBoard } from "@/storage/policy_board.ts";
import { strategies } from "@/strategies/mod.ts";

/** Recorded decisions, by the flags of the commands. */
const RECORDS = {
  archive: createDecisionArchive({
    settingsOf: () => {
      throw new Error("Cannot find a database: no flag names one");
    },
  }),
  strategies,
  strategiesModule: import.meta.resolve("@/strategies/mod.ts"),
};

/** What came of a command. */
export interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Runs `pointsman policy ...` in a folder with these files. */
export async function policy(
  files: Readonly<Record<string, string>>,
  args: (dir: string) => readonly string[],
): Promise<Ran> {
  const dir = await Deno.makeTempDir();
  for (const [name, text] of Object.entries(files)) await Deno.writeTextFile(join(dir, name), text);
  try {
    return await runPolicy(args(dir));
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

/** Runs `pointsman policy ...`. */
export async function runPolicy(args: readonly string[]): Promise<Ran> {
  const out: string[] = [];
  const world: World = {
    env: () => undefined,
    stdin: () => Promise.resolve(""),
    print: (text) => void out.push(text),
    printError: () => {},
    now: Date.now,
  };
  const config: PolicyConfig = (path) => {
    const parts = { dialects, strategies, builtins: upstreams };
    const loaded = loadConfig(configPath(path, world), diskSources(world), parts);
    if (!loaded.ok) throw new ExitError(1, formatProblems(loaded.problems));
    return loaded.snapshot;
  };
  const program = new Command().exitOverride().configureOutput({ writeErr: () => {} });
  policyCommands({ ...RECORDS, config, openBoard: openPolicyBoard })(program, world);
  try {
    await program.parseAsync(["policy", ...args], { from: "user" });
    return { code: 0, out: out.join("\n"), err: "" };
  } catch (error) {
    if (!(error instanceof ExitError)) throw error;
    return { code: error.code, out: out.join("\n"), err: error.message };
  }
}

/** Runs `pointsman policy ...`, which must succeed. */
export async function ran(...args: readonly string[]): Promise<void> {
  const result = await runPolicy(args);
  assert.equal(result.code, 0, result.err);
}

/** Files of a policy `a` that was built and signed with the key `ada`; there is a key `eve`, too. */
export async function signedPolicy(
  source: string,
  ...buildArgs: readonly string[]
): Promise<ReadonlyMap<string, string>> {
  const dir = await Deno.makeTempDir();
  const file = (name: string) => join(dir, name);
  await Deno.writeTextFile(file("a.ts"), source);
  await ran("keygen", "-o", dir, "--key-id", "ada");
  await ran("keygen", "-o", dir, "--key-id", "eve");
  await ran("build", file("a.ts"), "-o", dir, ...buildArgs);
  await ran("sign", file("a.policy.json"), "--key", file("ada.key.pem"));
  const files = [...Deno.readDirSync(dir)]
    .map(({ name }) => [name, Deno.readTextFileSync(file(name))] as const);
  await Deno.remove(dir, { recursive: true });
  return new Map(files);
}
