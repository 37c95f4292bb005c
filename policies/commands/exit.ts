import { dirname, resolve } from "node:path";
import { ExitError } from "../../core/command.ts";
import type { BundleFlaw } from "../sandbox/bundle.ts";
import { contains } from "../sandbox/imports.ts";
import { openPolicy, type SandboxedPolicy } from "../sandboxed_policy.ts";

/** Exit codes of the commands of policies, beside 0 and 2 (wrong usage). */
export const EXIT = { failed: 1, fault: 3, refused: 4, unreadable: 5 } as const;

/** For the help of commands. */
export const EXITS = `
Exit code: 0 ok, 1 a check or a case failed, 2 wrong usage, 3 the policy fails, 4 an import is refused,
5 a file cannot be read.`;

/** Opens a policy in the sandbox; refusals end the command. */
export async function open(file: string): Promise<SandboxedPolicy> {
  const path = readable(file);
  const opened = await openPolicy(path, rootOf(path));
  if (!("step" in opened)) return opened;
  const isImport = opened.flaws.some(({ message }) => message.includes("import"));
  const code = opened.step === "load" ? EXIT.fault : isImport ? EXIT.refused : EXIT.failed;
  throw new ExitError(code, flawLines(opened.flaws));
}

/**
 * The absolute path of a file that is there.
 *
 * @throws {ExitError} code 5 when it is not
 */
export function readable(file: string): string {
  try {
    return Deno.realPathSync(file);
  } catch {
    throw new ExitError(EXIT.unreadable, `Cannot read "${file}": there is no such file`);
  }
}

/** Sources lie in the working folder, like those of a gateway in the folder of its configuration. */
function rootOf(path: string): string {
  const here = resolve(".");
  return contains(here, path) ? here : dirname(path);
}

/** A line for each flaw: where, and what. */
export function flawLines(flaws: readonly BundleFlaw[]): string {
  return flaws.map(({ file, line, column, message }) => `${file}:${line}:${column} ${message}`)
    .join("\n");
}
