import { DatabaseSync } from "node:sqlite";

/** Pages are 8 KiB and 32 MiB of them are kept: a call touches a dozen indexes. */
const WRITER = `
  PRAGMA page_size = 8192;
  PRAGMA journal_mode = WAL;
  PRAGMA synchronous = NORMAL;
  PRAGMA busy_timeout = 5000;
  PRAGMA cache_size = -32768;
  PRAGMA wal_autocheckpoint = 2000;
`;

/**
 * Opens a database to write, made with mode 0600 when missing. Its folder must be there.
 *
 * @throws what SQLite says
 */
export function openSqlite(path: string): DatabaseSync {
  Deno.openSync(path, { create: true, read: true, write: true, mode: 0o600 }).close();
  const db = new DatabaseSync(path);
  try {
    db.exec(WRITER);
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}

/** Opens a database to read. */
export function openSqliteReader(path: string): DatabaseSync {
  Deno.statSync(path);
  const db = new DatabaseSync(path, { readOnly: true });
  db.exec("PRAGMA busy_timeout = 5000");
  return db;
}

/** Runs work in one transaction; an error undoes it. */
export function transaction<T>(
  db: DatabaseSync,
  begin: "IMMEDIATE" | "EXCLUSIVE",
  work: () => T,
): T {
  db.exec(`BEGIN ${begin}`);
  try {
    const result = work();
    db.exec("COMMIT");
    return result;
  } catch (error) {
    // A full disk may have ended the transaction already.
    if (db.isTransaction) db.exec("ROLLBACK");
    throw error;
  }
}

const TOO_BIG = 18;
const CONSTRAINT = 19;
const MISMATCH = 20;

/** Whether a statement was refused for the values it was given, so that a repeat cannot help. */
export function isContentError(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const { code, errcode } = error as { code?: unknown; errcode?: unknown };
  if (code === "ERR_INVALID_ARG_TYPE" || code === "ERR_INVALID_ARG_VALUE") return true;
  return typeof errcode === "number" && [TOO_BIG, CONSTRAINT, MISMATCH].includes(errcode & 0xff);
}
