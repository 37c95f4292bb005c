import { nextTurn } from "../core/wait.ts";
import type { Lockable, Transactional } from "./database.ts";

/** Runs pieces of work one after the other. */
export type InTurn = <Result>(work: () => Promise<Result>) => Promise<Result>;

/**
 * A database for long work beside short: each statement and each transaction waits for its turn, so that
 * what comes meanwhile waits for one of them and not for all.
 */
export function inTurns(db: Lockable, inTurn: InTurn): Lockable {
  async function apart<Result>(work: () => Promise<Result>): Promise<Result> {
    const result = await inTurn(work);
    // SQLite answers at once: without a pause no timer would run until all is done.
    await nextTurn();
    return result;
  }
  const each = (db: Transactional): Transactional => ({
    query: (sql, ...values) => apart(() => db.query(sql, ...values)),
    insert: (table, rows) => apart(() => db.insert(table, rows)),
    remove: (table, column, values) => apart(() => db.remove(table, column, values)),
    transaction: (work) => apart(() => db.transaction(work)),
  });
  return {
    ...each(db),
    exclusively: (timeouts, work) => db.exclusively(timeouts, (alone) => work(each(alone))),
  };
}
