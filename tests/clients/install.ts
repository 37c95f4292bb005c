import { AGENTS, installed, programOf } from "./installed.ts";

/** Time for the download, ms. */
const LIMIT_MS = 600_000;

/**
 * Brings the coding agents of `npm/package-lock.json` into `.clients/`. npm fetches them; no script of
 * theirs is run, since their programs are native.
 */
async function install(): Promise<void> {
  Deno.mkdirSync(installed, { recursive: true });
  for (const name of ["package.json", "package-lock.json"]) {
    Deno.copyFileSync(new URL(`npm/${name}`, import.meta.url), new URL(name, installed));
  }
  const npm = new Deno.Command("npm", {
    args: ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"],
    cwd: installed,
    stdin: "null",
    stdout: "inherit",
    stderr: "inherit",
    signal: AbortSignal.timeout(LIMIT_MS),
  });
  const { success } = await npm.output();
  if (!success) throw new Error("Cannot install the clients: npm failed");
}

/** Whether what was installed last is what the lock file says. */
function isCurrent(): boolean {
  try {
    const read = (url: URL) => Deno.readTextFileSync(url);
    const wanted = read(new URL("npm/package-lock.json", import.meta.url));
    if (read(new URL("package-lock.json", installed)) !== wanted) return false;
    return AGENTS.every((agent) => programOf(agent) !== "");
  } catch {
    return false;
  }
}

if (!isCurrent()) await install();
for (const agent of AGENTS) console.log(`${agent}: ${programOf(agent)}`);
