import { dirname, resolve } from "node:path";
import { ExitError } from "../../core/command.ts";
import type { BundleFlaw } from "../sandbox/bundle.ts";
import { contains } from "../sandbox/imports.ts";
import {
  openPolicy,
  type SandboxedPolicy,
  type TriedPolicy,
  unconfigured,
} from "../sandboxed_policy.ts";

/** Exit codes of the commands of policies, beside 0 and 2 (wrong usage). */
export const EXIT = { failed: 1, fault: 3, refused: 4, unreadable: 5 } as const;

/** For the help of commands. */
export const EXITS = `
Exit code: 0 ok, 1 a check or a case failed, 2 wrong usage, 3 the policy fails,
4 it is refused (signature, digest, permission, import), 5 a file cannot be
read.`;

/**
 * The absolute path of a file or a folder that is there.
 *
 * @throws {ExitError} code 5 when it is not
 */
export function present(path: string): string {
  try {
    return Deno.realPathSync(path);
  } catch {
    throw new ExitError(EXIT.unreadable, `Cannot read "${path}": there is no such file`);
  }
}

/**
 * The absolute path of a file that is there.
 *
 * @throws {ExitError} code 5 when it is not, or is a folder
 */
export function readable(file: string): string {
  const path = present(file);
  if (!Deno.statSync(path).isDirectory) return path;
  throw new ExitError(EXIT.unreadable, `Cannot read "${file}": it is a folder`);
}

/** A policy as it is without a configuration: its sources lie in the working folder. */
export function alone(file: string): TriedPolicy {
  const path = readable(file);
  const here = resolve(".");
  return unconfigured(path, contains(here, path) ? here : dirname(path));
}

/**
 * Opens a policy in the sandbox.
 *
 * @throws {ExitError} when it is refused, with the places of its flaws
 */
export async function open(policy: TriedPolicy): Promise<SandboxedPolicy> {
  const opened = await openPolicy(policy);
  if (!("step" in opened)) return opened;
  throw refusal(opened.flaws, opened.step === "load" ? EXIT.fault : EXIT.failed);
}

/** The end of a command whose policy has flaws; `broken` is the code when they are the policy's own. */
export function refusal(flaws: readonly BundleFlaw[], broken: number): ExitError {
  const kinds = flaws.map(({ kind }) => kind);
  const code = kinds.includes("refused")
    ? EXIT.refused
    : kinds.includes("unreadable")
    ? EXIT.unreadable
    : broken;
  return new ExitError(code, flawLines(flaws));
}

/** A line for each flaw: where, as far as that is known, and what. */
export function flawLines(flaws: readonly BundleFlaw[]): string {
  return flaws.map(({ file, line, column, message }) => {
    const place = line === 0 ? `${file}:` : `${file}:${line}:${column}`;
    return `${place} ${message}`;
  }).join("\n");
}
