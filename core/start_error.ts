import { ExitError } from "./command.ts";
import type { LedgerSettings, LoggingSettings } from "./snapshot.ts";
import { messageOf } from "./thrown.ts";

/** Why a start ends at its state. */
export function stateError({ path }: LedgerSettings, error: unknown): ExitError {
  const reason = messageOf(error);
  const hint = BROKEN.test(reason)
    ? "; once it is moved away, a start makes it again, with the counters of the journal"
    : "";
  return new ExitError(1, `Cannot open the state "${path}": ${reason}${hint}`);
}

/** What SQLite says of a file that will never be read again. */
const BROKEN = /file is not a database|malformed/;

/** Why a start ends at its journal. */
export function journalError({ path }: LoggingSettings, error: unknown): ExitError {
  const isNoFolder = error instanceof Deno.errors.AlreadyExists ||
    error instanceof Deno.errors.NotADirectory;
  const said = messageOf(error);
  const reason = isNoFolder ? "its folder is a file" : said;
  return new ExitError(
    1,
    reason.startsWith("Cannot") ? reason : `Cannot open the journal "${path}": ${reason}`,
  );
}
