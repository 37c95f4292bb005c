import { fileURLToPath } from "node:url";
import deno from "../deno.json" with { type: "json" };

const ROOT = new URL("../", import.meta.url);

/** What came of a Deno command. */
export interface ToolResult {
  readonly ok: boolean;
  readonly stdout: string;
  readonly stderr: string;
}

/** Checks the types of a policy, with the SDK where authors import it from. */
export function checkTypes(path: string): Promise<ToolResult> {
  return run(["check", "--no-lock", "--no-config", importMap({}), path]);
}

/** Runs a file of cases without any permission; gives what its `testPolicy` was handed, a line each. */
export function collectCases(path: string): Promise<ToolResult> {
  const collecting = { "@pointsman/sdk/testing": "./policies/sdk/collecting.ts" };
  const args = ["--no-remote", "--no-lock", "--no-config", "--no-prompt", "--no-check"];
  return run(["run", ...args, importMap(collecting), path]);
}

/** The project's import map, wherever the author's files are. */
function importMap(instead: Readonly<Record<string, string>>): string {
  const entries = Object.entries({ ...deno.imports, ...instead })
    .map(([name, to]) => [name, to.startsWith("./") ? new URL(to, ROOT).href : to]);
  const text = JSON.stringify({ imports: Object.fromEntries(entries) });
  return `--import-map=data:application/json,${encodeURIComponent(text)}`;
}

async function run(args: readonly string[]): Promise<ToolResult> {
  const command = new Deno.Command(Deno.execPath(), {
    args: [...args],
    cwd: fileURLToPath(ROOT),
    env: { NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1" },
    stdin: "null",
  });
  const { success, stdout, stderr } = await command.output();
  const decoder = new TextDecoder();
  return { ok: success, stdout: decoder.decode(stdout), stderr: told(decoder.decode(stderr)) };
}

/** What Deno says of the author's code, without what it says of itself. */
function told(stderr: string): string {
  return stderr.replace(/^Check .*\n/gm, "").replace(/\nStack backtrace:[^]*$/, "").trim();
}
