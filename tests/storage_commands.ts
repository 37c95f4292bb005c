import { Command } from "commander";
import { ExitError, type World } from "../core/command.ts";
import { storageCommands } from "../storage/commands.ts";
import type { Place } from "./storage_fixture.ts";

/** An hour after the first test call. */
const NOW = 1_763_640_000_000 + 3_600_000;

/** What a command line printed, and its exit code. */
interface Ran {
  readonly out: string;
  readonly code: number;
}

/** Runs a command line in a place at a time (epoch ms). */
export function runAt(now: number, place: Place, ...words: string[]): Promise<Ran> {
  return runIn({ now: () => now }, place, ...words);
}

/** Runs a command line in a place, at a terminal of so many columns. */
export function runAtTerminal(width: number, place: Place, ...words: string[]): Promise<Ran> {
  return runIn({ now: () => NOW, width }, place, ...words);
}

async function runIn(
  seen: Pick<World, "now" | "width">,
  place: Place,
  ...words: string[]
): Promise<Ran> {
  let out = "";
  const world: World = {
    env: () => undefined,
    stdin: () => Promise.resolve(""),
    print: (text) => void (out += `${text}\n`),
    printError: (text) => void (out += `${text}\n`),
    ...seen,
  };
  const program = new Command().exitOverride();
  storageCommands({ settingsOf: () => place, routerVersion: "test" })(program, world);
  try {
    await program.parseAsync(words, { from: "user" });
    return { out, code: 0 };
  } catch (error) {
    if (error instanceof ExitError) return { out: out + error.message, code: error.code };
    throw error;
  }
}

/** Runs a command line in a place, an hour after the first test call. */
export function run(place: Place, ...words: string[]): Promise<Ran> {
  return runAt(NOW, place, ...words);
}
