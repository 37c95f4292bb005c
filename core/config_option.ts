import type { Command } from "commander";
import { ExitError, type World } from "./command.ts";
import { loadConfig, type LoadResult } from "./config/load.ts";
import type { Parts } from "./config/parts.ts";
import { formatProblems } from "./config/problem.ts";
import { diskSources, type Sources } from "./config/sources.ts";

/** The config file in use: `--config`, else `POINTSMAN_CONFIG`, else `./config.yaml`. */
export function configPath(flag: string | undefined, world: Pick<World, "env">): string {
  return flag ?? (world.env("POINTSMAN_CONFIG") || "./config.yaml");
}

/**
 * Loads the configuration for a command.
 *
 * @throws {ExitError} code 1, with all problems, when it has errors
 */
export function loadForCommand(
  flag: string | undefined,
  world: World,
  parts: Parts,
): LoadResult & { readonly ok: true } {
  const result = readConfig(configPath(flag, world), diskSources(world), { parts, world });
  if (result.ok) return result;
  throw new ExitError(1, formatProblems(result.problems));
}

/** Reads a configuration, and says so where somebody looks: a long one takes seconds. */
export function readConfig(
  path: string,
  sources: Sources,
  { parts, world }: { readonly parts: Parts; readonly world: Pick<World, "progress"> },
): LoadResult {
  world.progress?.(`Reading ${path} ...`);
  try {
    return loadConfig(path, sources, parts);
  } finally {
    world.progress?.("");
  }
}

/** The option that every command with a configuration has. */
export function withConfigOption(command: Command): Command {
  return command.option(
    "--config <path>",
    "config file (default: $POINTSMAN_CONFIG, else ./config.yaml)",
  );
}
