import type { Command } from "commander";

/** What a command may touch of the process; `main.ts` gives the real one, tests give another. */
export interface World {
  env(name: string): string | undefined;
  /** All of standard input, as text. */
  stdin(): Promise<string>;
  print(text: string): void;
  printError(text: string): void;
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
