import { fileURLToPath } from "node:url";

/** The folder of installed clients; git does not see it. */
export const installed = new URL("../../.clients/", import.meta.url);

/** The coding agents that are run. */
export const AGENTS = ["claude-code", "codex"] as const;
export type AgentName = typeof AGENTS[number];

/** Where npm puts the native program of each, for whatever platform it chose. */
const PROGRAMS: Readonly<Record<AgentName, readonly (string | RegExp)[]>> = {
  "claude-code": ["@anthropic-ai", /^claude-code-/, /^claude(\.exe)?$/],
  "codex": ["@openai", /^codex-/, "vendor", /./, "bin", /^codex(\.exe)?$/],
};

/**
 * Path of an agent's native program.
 *
 * @throws {Error} when it is not installed
 */
export function programOf(agent: AgentName): string {
  let place = new URL("node_modules/", installed);
  for (const step of PROGRAMS[agent]) {
    const name = typeof step === "string" ? step : entryOf(place, step);
    if (name === undefined) throw new Error(`Cannot find ${agent}: run deno task test:clients`);
    place = new URL(`${name}/`, place);
  }
  return fileURLToPath(place).replace(/\/$/, "");
}

function entryOf(folder: URL, pattern: RegExp): string | undefined {
  return [...Deno.readDirSync(folder)].map(({ name }) => name).sort()
    .find((name) => pattern.test(name));
}
