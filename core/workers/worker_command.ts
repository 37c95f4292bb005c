import { fileURLToPath } from "node:url";
import { ownCommand } from "../own_command.ts";

/** The hidden command of a worker. */
export const WORKER = "worker";

/** Addresses of clouds that hand out credentials. */
const NEVER = ["169.254.169.254", "169.254.170.2", "100.100.100.200"];

/**
 * The command of a worker: it may listen and reach providers, start policy hosts, and write to the
 * folders of its state and its journal, nowhere else.
 *
 * @param main file of the program, run from source
 */
export function workerCommand(main: URL, folders: readonly string[]): Deno.Command {
  return ownCommand({
    command: WORKER,
    script: [fileURLToPath(main), WORKER],
    flags: [
      "--v8-flags=--max-semi-space-size=8",
      "--frozen",
      "--allow-net",
      `--deny-net=${NEVER}`,
      "--allow-env",
      "--allow-read",
      // A comma ends a path, unless there are two.
      `--allow-write=${folders.map((folder) => folder.replaceAll(",", ",,"))}`,
      `--allow-run=${Deno.execPath()}`,
    ],
  });
}
