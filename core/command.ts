import type { Command } from "commander";
import { type ListenAddress, parseListen } from "./config/listen.ts";
import { messageOf } from "./thrown.ts";

/** What a command may touch of the process; `main.ts` gives the real one, tests give another. */
export interface World {
  env(name: string): string | undefined;
  /** All of standard input, as text. */
  stdin(): Promise<string>;
  print(text: string): void;
  printError(text: string): void;
  /** Shows how far a long command is, in place of what it showed before; absent where nobody looks. */
  progress?(text: string): void;
  /** Columns of the terminal that shows what is printed; absent where there is none. */
  readonly width?: number;
  /** Epoch ms. */
  now(): number;
}

/** Adds commands to the command line. */
export type AddCommands = (program: Command, world: World) => void;

/** Ends the process with a code; the message, if any, goes to stderr. */
export class ExitError extends Error {
  override readonly name = "ExitError";

  constructor(readonly code: number, message = "") {
    super(message);
  }
}

/** For a file that a command cannot read or write; exit code 1 unless it has one for that. */
export function fileError(
  action: "read" | "write",
  path: string,
  error: unknown,
  code = 1,
): ExitError {
  return new ExitError(code, `Cannot ${action} "${path}": ${fileReason(action, error)}`);
}

function fileReason(action: "read" | "write", error: unknown): string {
  if (error instanceof Deno.errors.NotFound && action === "read") return "there is no such file";
  if (error instanceof Deno.errors.IsADirectory) return "it is a folder";
  if (error instanceof Deno.errors.AlreadyExists) return "it is there, and is never overwritten";
  return messageOf(error);
}

/** The end of a command's help: what somebody could type. */
export function examples(...lines: readonly string[]): string {
  const title = lines.length === 1 ? "Example" : "Examples";
  return `\n${title}:\n${lines.map((line) => `  ${line}`).join("\n")}`;
}

/**
 * Reads the value of `--listen`.
 *
 * @throws {ExitError} code 2 when it is no address
 */
export function listenOption(text: string): ListenAddress {
  const address = parseListen(text);
  if (address) return address;
  throw new ExitError(2, `Cannot parse --listen "${text}": expected host:port or :port`);
}
