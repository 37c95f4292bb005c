/** A part of this program that runs in a process of its own, and what that process may do. */
export interface OwnProcess {
  /** The hidden command that starts it from a compiled binary. */
  readonly command: string;
  /** Path of the script that starts it from source, and its command if it has several. */
  readonly script: readonly string[];
  /** Permissions and other flags of the script; a compiled binary has its own. */
  readonly flags: readonly string[];
  readonly args?: readonly string[];
  readonly options?: Omit<Deno.CommandOptions, "args" | "stdin" | "stdout">;
}

/** The command that starts a part of this program, with a pipe each way. */
export function ownCommand({ command, script, flags, args = [], options }: OwnProcess) {
  const words = Deno.build.standalone
    ? [command, ...args]
    : ["run", "--no-remote", "--no-prompt", ...flags, ...script, ...args];
  return new Deno.Command(Deno.execPath(), {
    ...options,
    args: words,
    stdin: "piped",
    stdout: "piped",
  });
}
