import { ExitError } from "./command.ts";
import type { LedgerSettings, LoggingSettings } from "./snapshot.ts";

/** Why a start ends at its state. */
export function stateError({ path }: LedgerSettings, error: unknown): ExitError {
  const reason = error instanceof Error ? error.message : String(error);
  return new ExitError(1, `Cannot open the state "${path}": ${reason}`);
}

/** Why a start ends at its journal. */
export function journalError({ path }: LoggingSettings, error: unknown): ExitError {
  const reason = error instanceof Error ? error.message : String(error);
  return new ExitError(
    1,
    reason.startsWith("Cannot") ? reason : `Cannot open the journal "${path}": ${reason}`,
  );
}
