import { fileURLToPath } from "node:url";

const HOST = fileURLToPath(new URL("./host.ts", import.meta.url));
const FOLDER = fileURLToPath(new URL("./", import.meta.url));

/** Least memory a host may take, MiB. */
const MIN_RESIDENT_MB = 256;

const MiB = 2 ** 20;

/**
 * The command of a policy host. It may read this folder, which its thread is loaded from,
 * and nothing else: no network, files, environment, programs; the environment is empty.
 *
 * @param heapMb the largest heap a policy may ask for, MiB
 */
export function hostCommand(heapMb: number): Deno.Command {
  return new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      ...["--no-remote", "--no-npm", "--no-prompt", "--no-config", "--unstable-worker-options"],
      `--allow-read=${FOLDER}`,
      HOST,
      String(Math.max(MIN_RESIDENT_MB, 4 * heapMb) * MiB),
    ],
    clearEnv: true,
    env: {
      TZ: "UTC",
      DENO_NO_UPDATE_CHECK: "1",
      // The mark is where a host is replaced; the engine ends it at twice that.
      DENO_V8_FLAGS: `--max-old-space-size=${2 * heapMb}`,
    },
    cwd: FOLDER,
    stdin: "piped",
    stdout: "piped",
    stderr: "null",
  });
}
