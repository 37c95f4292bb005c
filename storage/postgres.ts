import type { ConnectionOptions } from "node:tls";
import postgres from "postgres";
import { parseDsn, type PostgresAddress } from "../core/dsn.ts";
import { wait } from "../core/wait.ts";
import type { NewRow, Purpose, Queries, Transactional, UsageDatabase, Value } from "./database.ts";
import { POSTGRES } from "./engine.ts";
import { SchemaError } from "./migration.ts";
import { insertSql } from "./postgres_insert.ts";
import { assertSocketAllowed, socketOf } from "./postgres_socket.ts";

const CONNECTIONS = 4;
const CONNECT_TIMEOUT_S = 10;
/** After which the server stops a statement, ms. */
const STATEMENT_MS: Readonly<Record<Purpose, number>> = { read: 30_000, write: 60_000 };
/** Whoever holds it migrates; the number is part of the format of the database. */
const MIGRATION_LOCK = "8101810177783852398";
const LOCK_RETRY_MS = 200;

/**
 * Opens a pool of connections and tries one.
 *
 * @throws what the system or the server says
 */
export async function openPostgres(dsn: string, purpose: Purpose): Promise<UsageDatabase> {
  const address = parseDsn(dsn);
  if (!address) throw new RangeError("Cannot open the usage database: its dsn is no Postgres URL");
  const socket = socketOf(address);
  if (socket !== null) assertSocketAllowed(socket);
  const connect = connector(address, purpose);
  const pool = connect(CONNECTIONS, STATEMENT_MS[purpose]);
  try {
    await pool.sql.unsafe("SELECT 1");
    return new PostgresDatabase(pool, connect);
  } catch (error) {
    await pool.sql.end({ timeout: 0 });
    throw error;
  }
}

type Sql = postgres.ISql<{ bigint: bigint }>;
type Connect = (connections: number, statementMs: number) => Pool;

/**
 * Connections that are given up together: the driver would write to one that is closed, which ends the
 * thread. Who gets an error of the connection opens the database again.
 */
interface Pool {
  readonly sql: postgres.Sql<{ bigint: bigint }>;
  broken: boolean;
}

class PostgresDatabase implements UsageDatabase {
  readonly engine = POSTGRES;
  readonly #pool: Pool;
  readonly #connect: Connect;
  readonly #queries: Queries;

  constructor(pool: Pool, connect: Connect) {
    this.#pool = pool;
    this.#connect = connect;
    this.#queries = createQueries(pool, pool.sql);
  }

  query(sql: string, ...values: readonly Value[]): Promise<Record<string, Value>[]> {
    return this.#queries.query(sql, ...values);
  }

  insert(table: string, rows: readonly NewRow[]): Promise<number> {
    return this.#queries.insert(table, rows);
  }

  remove(table: string, column: string, values: readonly string[]): Promise<void> {
    return this.#queries.remove(table, column, values);
  }

  transaction<T>(work: (queries: Queries) => Promise<T>): Promise<T> {
    return transact(this.#pool, work);
  }

  /** The lock belongs to a connection of its own, and ends with it however the process ends. */
  async exclusively<T>(
    { lockMs, statementMs }: { readonly lockMs: number; readonly statementMs: number },
    work: (database: Transactional) => Promise<T>,
  ): Promise<T> {
    const alone = this.#connect(1, statementMs);
    try {
      const queries = createQueries(alone, alone.sql);
      await lock(queries, Date.now() + lockMs);
      return await work({ ...queries, transaction: (inner) => transact(alone, inner) });
    } finally {
      await alone.sql.end({ timeout: 0 });
    }
  }

  /** A commit that was answered is on disk: see `synchronous_commit`. */
  makeDurable(): Promise<void> {
    return Promise.resolve();
  }

  /** Class 22 is wrong data, 23 a broken constraint, 54 a limit. */
  isContentError(error: unknown): boolean {
    return /^(?:22|23|54)/.test(sqlState(error));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#pool.sql.end({ timeout: 0 });
  }
}

function createQueries(pool: Pool, sql: Sql): Queries {
  const run = async (text: string, parameters: (string | number | null)[]) => {
    assertWhole(pool);
    return await sql.unsafe<Record<string, Value>[]>(text, parameters);
  };
  return {
    async query(text, ...values) {
      // Bigints have no type of their own in the driver; as text the server gives them the column's.
      return [
        ...await run(text, values.map((value) => typeof value === "bigint" ? `${value}` : value)),
      ];
    },
    async insert(table, rows) {
      if (rows.length === 0) return 0;
      const { text, parameters } = insertSql(table, rows);
      return (await run(text, parameters)).count;
    },
    async remove(table, column, values) {
      const listed = "SELECT json_array_elements_text($1::text::json)";
      await run(`DELETE FROM ${table} WHERE ${column} IN (${listed})`, [JSON.stringify(values)]);
    },
  };
}

const RETRIES = 5;
const SERIALIZATION_FAILURE = "40001";
const DEADLOCK = "40P01";

/** A transaction that lost against another one is tried again at once. */
async function transact<T>(pool: Pool, work: (queries: Queries) => Promise<T>): Promise<T> {
  for (let retry = 0;; retry += 1) {
    try {
      return await tryTransaction(pool, work);
    } catch (error) {
      const lost = [SERIALIZATION_FAILURE, DEADLOCK].includes(sqlState(error));
      if (!lost || retry === RETRIES) throw error;
    }
  }
}

/** By hand: `begin` of the driver would roll back on a connection that is closed. */
async function tryTransaction<T>(
  pool: Pool,
  work: (queries: Queries) => Promise<T>,
): Promise<T> {
  assertWhole(pool);
  const connection = await pool.sql.reserve();
  const queries = createQueries(pool, connection);
  try {
    await queries.query("BEGIN");
    const result = await work(queries);
    await queries.query("COMMIT");
    connection.release();
    return result;
  } catch (error) {
    pool.broken ||= endsConnection(error);
    if (!pool.broken) {
      await queries.query("ROLLBACK");
      connection.release();
    }
    throw error;
  }
}

function assertWhole(pool: Pool): void {
  if (pool.broken) throw new Error("Cannot ask Postgres: the connection is closed");
}

async function lock({ query }: Queries, until: number): Promise<void> {
  for (;;) {
    const [row] = await query(`SELECT pg_try_advisory_lock(${MIGRATION_LOCK})::int AS taken`);
    if (row?.taken === 1n) return;
    if (Date.now() >= until) {
      throw new SchemaError("migration-locked", "Cannot migrate: another process is migrating");
    }
    await wait(LOCK_RETRY_MS);
  }
}

function connector(address: PostgresAddress, purpose: Purpose): Connect {
  return (connections, statementMs) => {
    const sql = postgres({
      host: address.host,
      port: address.port,
      database: address.database,
      user: address.user,
      password: address.password,
      ssl: socketOf(address) === null ? tlsOf(address) : false,
      max: connections,
      connect_timeout: CONNECT_TIMEOUT_S,
      idle_timeout: 0,
      max_lifetime: null,
      // A pool of transactions between here and the server keeps no prepared statement.
      prepare: false,
      fetch_types: false,
      onnotice() {},
      onclose: () => void (pool.broken = true),
      types: { bigint: INTEGERS },
      connection: {
        application_name: "pointsman",
        statement_timeout: statementMs,
        synchronous_commit: "on",
        default_transaction_read_only: purpose === "read",
      },
    });
    const pool: Pool = { sql, broken: false };
    return pool;
  };
}

/** int8, int2 and int4; and numeric, which sums of int8 are: nothing here asks for decimals. */
const INTEGERS = {
  to: 20,
  from: [20, 21, 23, 1700],
  serialize: String,
  parse: (text: string) => BigInt(text),
};

function tlsOf({ sslMode, sslRootCert }: PostgresAddress): ConnectionOptions | "prefer" | boolean {
  if (sslMode === "disable") return false;
  if (sslMode === "prefer") return "prefer";
  const ca = sslRootCert === null ? {} : { ca: Deno.readTextFileSync(sslRootCert) };
  // The name is not looked at under `verify-ca`, and nothing is under `require`.
  const name = sslMode === "verify-full" ? {} : { checkServerIdentity: () => undefined };
  return { ...ca, ...name, rejectUnauthorized: sslMode !== "require" };
}

/** The server's code for an error; empty when it is none of the server's. */
function sqlState(error: unknown): string {
  return error instanceof postgres.PostgresError ? error.code : "";
}

/** Whether the connection ended with this error: the driver's and the system's, or the server gave up. */
function endsConnection(error: unknown): boolean {
  if (error instanceof postgres.PostgresError) return error.severity !== "ERROR";
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  return /^(?:CONNECTION|CONNECT|E[A-Z])/.test(code);
}
