import { kindOf, messageOf } from "../core/thrown.ts";

/** What SQLite says of a file that cannot be used. */
const SQLITE_SAYS: readonly string[] = [
  "attempt to write a readonly database",
  "database disk image is malformed",
  "database is locked",
  "database or disk is full",
  "disk I/O error",
  "unable to open database file",
];

/** Why the state cannot be used, for the log: words of SQLite, else the kind, since others hold addresses. */
export function stateFault(thrown: unknown): string {
  const said = messageOf(thrown);
  return SQLITE_SAYS.find((words) => said.includes(words)) ?? kindOf(thrown);
}
