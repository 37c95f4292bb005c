import { DatabaseSync, type StatementSync } from "node:sqlite";
import type { NewRow, Purpose, Queries, Transactional, UsageDatabase, Value } from "./database.ts";
import { SQLITE } from "./engine.ts";
import { addExactSum, isOverflow, withExactSums } from "./exact_sum.ts";
import { SchemaError } from "./migration.ts";

/** Pages are 8 KiB and 32 MiB of them are kept: a call touches a dozen indexes. */
const WRITER = `
  PRAGMA busy_timeout = 5000;
  PRAGMA page_size = 8192;
  PRAGMA journal_mode = WAL;
  PRAGMA synchronous = NORMAL;
  PRAGMA cache_size = -32768;
  PRAGMA wal_autocheckpoint = 2000;
`;

/**
 * Opens a database file; to write, it is made with mode 0600 when missing; its folder must be there.
 *
 * @throws what SQLite or the system says
 */
export function openSqlite(path: string, purpose: Purpose): UsageDatabase {
  assertFile(path, purpose);
  if (purpose === "read") {
    return prepared(new DatabaseSync(path, { readOnly: true }), "PRAGMA busy_timeout = 5000");
  }
  Deno.openSync(path, { create: true, read: true, write: true, mode: 0o600 }).close();
  return prepared(new DatabaseSync(path), WRITER);
}

/** SQLite tells of what is no file as of a broken disk, and would make what is missing. */
function assertFile(path: string, purpose: Purpose): void {
  try {
    if (Deno.statSync(path).isFile) return;
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    if (purpose === "write") return;
    throw new Error(
      `there is no file "${path}"; a gateway makes it, and so does pointsman migrate apply`,
    );
  }
  throw new Error(`"${path}" is no file`);
}

function prepared(db: DatabaseSync, pragmas: string): UsageDatabase {
  try {
    db.exec(pragmas);
    return new SqliteDatabase(db);
  } catch (error) {
    db.close();
    throw error;
  }
}

class SqliteDatabase implements UsageDatabase {
  readonly engine = SQLITE;
  readonly #db: DatabaseSync;
  readonly #queries: Queries;
  #addsExactly = false;
  /** There is one connection: who is in a transaction has it alone. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(db: DatabaseSync) {
    this.#db = db;
    this.#queries = createQueries(db);
  }

  query(sql: string, ...values: readonly Value[]): Promise<Record<string, Value>[]> {
    return this.#alone(async () => {
      try {
        return await this.#queries.query(sql, ...values);
      } catch (error) {
        if (!isOverflow(error)) throw error;
        return await this.#queryExactly(sql, values);
      }
    });
  }

  insert(table: string, rows: readonly NewRow[]): Promise<number> {
    return this.#alone(() => this.#queries.insert(table, rows));
  }

  remove(table: string, column: string, values: readonly string[]): Promise<void> {
    return this.#alone(() => this.#queries.remove(table, column, values));
  }

  transaction<T>(work: (queries: Queries) => Promise<T>): Promise<T> {
    return this.#alone(() => this.#transaction("IMMEDIATE", work));
  }

  /** Each transaction of the work locks the file alone. */
  async exclusively<T>(
    { lockMs }: { readonly lockMs: number },
    work: (database: Transactional) => Promise<T>,
  ): Promise<T> {
    await this.query(`PRAGMA busy_timeout = ${lockMs}`);
    try {
      return await work({
        query: (sql, ...values) => this.query(sql, ...values),
        insert: (table, rows) => this.insert(table, rows),
        remove: (table, column, values) => this.remove(table, column, values),
        transaction: (inner) => this.#alone(() => this.#transaction("EXCLUSIVE", inner)),
      });
    } catch (error) {
      throw primaryCode(error) === BUSY
        ? new SchemaError("migration-locked", "Cannot migrate: another process holds the database")
        : error;
    } finally {
      await this.query("PRAGMA busy_timeout = 5000");
    }
  }

  /** A commit may still be lost with the power under synchronous=NORMAL; a checkpoint is not. */
  async makeDurable(): Promise<void> {
    await this.query("PRAGMA wal_checkpoint(FULL)");
  }

  isContentError(error: unknown): boolean {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    if (code === "ERR_INVALID_ARG_TYPE" || code === "ERR_INVALID_ARG_VALUE") return true;
    return [TOO_BIG, CONSTRAINT, MISMATCH].includes(primaryCode(error));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#alone(() => Promise.resolve(this.#db.close()));
  }

  #queryExactly(sql: string, values: readonly Value[]): Promise<Record<string, Value>[]> {
    if (!this.#addsExactly) addExactSum(this.#db);
    this.#addsExactly = true;
    return this.#queries.query(withExactSums(sql), ...values);
  }

  #alone<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(work);
    this.#turn = done.catch(() => {});
    return done;
  }

  async #transaction<T>(
    begin: "IMMEDIATE" | "EXCLUSIVE",
    work: (queries: Queries) => Promise<T>,
  ): Promise<T> {
    // Unlike `exec`, a statement says by its code why it failed.
    this.#db.prepare(`BEGIN ${begin}`).run();
    try {
      const result = await work(this.#queries);
      this.#db.exec("COMMIT");
      return result;
    } catch (error) {
      // A full disk may have ended the transaction already.
      if (this.#db.isTransaction) this.#db.exec("ROLLBACK");
      throw error;
    }
  }
}

function createQueries(db: DatabaseSync): Queries {
  const inserters = new Map<string, Inserter>();
  const statements = new Map<string, StatementSync>();

  /** A statement holds memory that the garbage collector does not see: one that comes again is kept. */
  function prepare(sql: string): StatementSync {
    const statement = db.prepare(sql.replace(/\$\d+/g, "?"));
    statement.setReadBigInts(true);
    if (statements.size >= MAX_STATEMENTS) statements.clear();
    statements.set(sql, statement);
    return statement;
  }

  const run = (sql: string, ...values: readonly Value[]) =>
    (statements.get(sql) ?? prepare(sql)).all(...values) as Record<string, Value>[];

  return {
    query: (sql, ...values) => Promise.resolve(run(sql, ...values)),
    remove(table, column, values) {
      const listed = "SELECT value FROM json_each($1)";
      run(`DELETE FROM ${table} WHERE ${column} IN (${listed})`, JSON.stringify(values));
      return Promise.resolve();
    },
    insert(table, rows) {
      const inserter = inserters.getOrInsertComputed(table, (table) => createInserter(db, table));
      return Promise.resolve(inserter(rows));
    },
  };
}

/** Statements kept per database. */
const MAX_STATEMENTS = 64;

/** Inserts rows; gives how many were new. */
type Inserter = (rows: readonly NewRow[]) => number;

/** Statements for one, two, four, ... rows that name the same columns. */
type Statements = StatementSync[];

/** Shapes of rows whose statements are kept per table. */
const MAX_SHAPES = 256;
/** Values of one statement: it takes longer than a small row, and its memory grows with them. */
const MAX_PLACES = 512;

function createInserter(db: DatabaseSync, table: string): Inserter {
  const shapes = new Map<readonly string[], Statements>();

  function statementsOf(columns: readonly string[]): Statements {
    let statements = shapes.get(columns);
    if (statements) return statements;
    if (shapes.size >= MAX_SHAPES) shapes.clear();
    shapes.set(columns, statements = []);
    return statements;
  }

  function prepare(columns: readonly string[], rows: number): StatementSync {
    const row = `(${columns.map(() => "?").join(", ")})`;
    const places = new Array(rows).fill(row).join(", ");
    return db.prepare(
      `INSERT INTO ${table} (${columns.join(", ")}) VALUES ${places} ON CONFLICT DO NOTHING`,
    );
  }

  function insertAlike(columns: readonly string[], rows: readonly NewRow[]): number {
    const statements = statementsOf(columns);
    const most = powerWithin(Math.max(1, MAX_PLACES / columns.length));
    let inserted = 0;
    for (let place = 0; place < rows.length;) {
      const power = Math.min(most, powerWithin(rows.length - place));
      const end = place + 2 ** power;
      const statement = statements[power] ??= prepare(columns, 2 ** power);
      const values: Value[] = [];
      for (; place < end; place += 1) values.push(...rows[place]!.values);
      inserted += Number(statement.run(...values).changes);
    }
    return inserted;
  }

  return (rows) => {
    let inserted = 0;
    for (const [columns, alike] of Map.groupBy(rows, ({ columns }) => columns)) {
      inserted += insertAlike(columns, alike);
    }
    return inserted;
  };
}

/** The exponent of the greatest power of two that is not more than a number. */
function powerWithin(count: number): number {
  return 31 - Math.clz32(count);
}

const BUSY = 5;
const TOO_BIG = 18;
const CONSTRAINT = 19;
const MISMATCH = 20;

/** SQLite's result code without its details; 0 when it said nothing. */
function primaryCode(error: unknown): number {
  const code = error instanceof Error && "errcode" in error ? error.errcode : 0;
  return typeof code === "number" ? code & 0xff : 0;
}
