import { fileURLToPath } from "node:url";
import type { AddCommands } from "../../core/command.ts";
import { ownCommand } from "../../core/own_command.ts";

const HOST = fileURLToPath(new URL("./host.ts", import.meta.url));
const FOLDER = fileURLToPath(new URL("./", import.meta.url));

const POLICY_HOST = "policy-host";

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
  return ownCommand({
    command: POLICY_HOST,
    script: [HOST],
    flags: [
      ...["--no-npm", "--no-config", "--unstable-worker-options"],
      `--allow-read=${FOLDER}`,
    ],
    args: [String(Math.max(MIN_RESIDENT_MB, 4 * heapMb) * MiB)],
    options: {
      clearEnv: true,
      env: {
        TZ: "UTC",
        DENO_NO_UPDATE_CHECK: "1",
        // The mark is where a host is replaced; the engine ends it at twice that.
        DENO_V8_FLAGS: `--max-old-space-size=${2 * heapMb}`,
      },
      ...Deno.build.standalone ? {} : { cwd: FOLDER },
      stderr: "null",
    },
  });
}

/**
 * The hidden command by which a compiled binary is a policy host: it has the permissions of the binary,
 * and first gives up all but reading, by which its thread is loaded.
 */
export const addPolicyHost: AddCommands = (program) => {
  program.command(POLICY_HOST, { hidden: true }).argument("<bytes>").action(
    async (bytes: string) => {
      const { watch } = await import("./host.ts");
      for (const name of PERMISSIONS) Deno.permissions.revokeSync({ name });
      watch(Number(bytes));
      // It ends itself.
      await new Promise(() => {});
    },
  );
};

const PERMISSIONS = ["env", "ffi", "import", "net", "run", "sys", "write"] as const;
