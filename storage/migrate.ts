import { noteJobs, runDataJobs, unfinishedJobs } from "./data_jobs.ts";
import type { Queries, Transactional, UsageDatabase } from "./database.ts";
import { type Engine, renderStep } from "./engine.ts";
import { checksum, type Migration, SchemaError } from "./migration.ts";

/** What applying needs besides the database. */
export interface MigrateOptions {
  readonly migrations: readonly Migration[];
  /** Recorded with each applied migration. */
  readonly routerVersion: string;
  /** Epoch ms. */
  now(): number;
  /** Stops before the first migration that may not be applied at a start. */
  readonly safeOnly?: boolean;
  /** Stops behind the migration with this id. */
  readonly to?: number;
  /** Names the backup that was made before; recorded. */
  readonly backupRef?: string;
  /** Longest wait for another process that migrates, and for one statement, ms. */
  readonly lockMs?: number;
  readonly statementMs?: number;
}

/** A row of `schema_migrations`. */
export interface LedgerRow {
  readonly id: number;
  readonly name: string;
  readonly checksum: string;
  readonly state: string;
  /** Of the program that applied it. */
  readonly routerVersion: string;
  readonly backwardCompatible: boolean;
  /** Epoch ms. */
  readonly finishedAt: number;
}

const LOCK_MS = 30_000;
const STATEMENT_MS = 300_000;

/**
 * Applies what is pending, one transaction per migration together with its ledger row, then runs the data
 * jobs that are not done, while no other process does. What is `safeOnly` leaves jobs alone.
 *
 * @returns the ids that were applied
 * @throws SchemaError when an applied migration was changed, or a newer one is not marked compatible
 */
export async function migrate(db: UsageDatabase, options: MigrateOptions): Promise<number[]> {
  const { migrations, safeOnly, lockMs = LOCK_MS, statementMs = STATEMENT_MS } = options;
  const pending = chosen(await pendingOf(db, migrations), options);
  const jobs = safeOnly || pending.length > 0 ? [] : await unfinishedJobs(db, db.engine);
  if (pending.length === 0 && jobs.length === 0) return [];
  return await db.exclusively({ lockMs, statementMs }, async (alone) => {
    const applied: number[] = [];
    for (const migration of chosen(migrations, options)) {
      if (await apply(alone, db.engine, migration, options)) applied.push(migration.id);
    }
    if (!safeOnly) await runDataJobs(alone, { ...options, engine: db.engine });
    return applied;
  });
}

/**
 * The migrations that a database lacks.
 *
 * @throws SchemaError when its schema is none this program knows
 */
async function pendingOf(
  db: Queries & { readonly engine: Engine },
  migrations: readonly Migration[],
): Promise<Migration[]> {
  const rows = await readLedger(db, db.engine);
  checkLedger(rows, migrations);
  const applied = new Set(rows.map(({ id }) => id));
  return migrations.filter(({ id }) => !applied.has(id));
}

/**
 * Refuses a database whose schema this program does not know, or that lacks a migration.
 *
 * @throws SchemaError
 */
export async function assertCurrent(
  db: Queries & { readonly engine: Engine },
  migrations: readonly Migration[],
): Promise<void> {
  const { length } = await pendingOf(db, migrations);
  if (length === 0) return;
  const what = length === 1 ? "a migration is" : `${length} migrations are`;
  throw new SchemaError(
    "migration-pending",
    `Cannot use the database: ${what} pending; run "pointsman migrate apply"`,
  );
}

/** The ledger in order; empty when there is none yet. */
export async function readLedger(db: Queries, engine: Engine): Promise<LedgerRow[]> {
  const found = await db.query(
    `SELECT 1 AS one FROM (${engine.columnsSql}) AS c WHERE table_name = 'schema_migrations'`,
  );
  if (found.length === 0) return [];
  const rows = await db.query(
    "SELECT id, name, checksum, state, router_version, backward_compatible, finished_at " +
      "FROM schema_migrations ORDER BY id",
  );
  return rows.map((row) => ({
    id: Number(row.id),
    name: String(row.name),
    checksum: String(row.checksum),
    state: String(row.state),
    routerVersion: String(row.router_version),
    backwardCompatible: row.backward_compatible === 1n,
    finishedAt: Number(row.finished_at),
  }));
}

function chosen(
  migrations: readonly Migration[],
  { safeOnly, to }: MigrateOptions,
): readonly Migration[] {
  const asked = migrations.filter(({ id }) => to === undefined || id <= to);
  const unsafe = safeOnly ? asked.findIndex(({ safe }) => !safe) : -1;
  return unsafe < 0 ? asked : asked.slice(0, unsafe);
}

/** Tells whether it was this process that applied it. */
function apply(
  db: Transactional,
  engine: Engine,
  migration: Migration,
  options: MigrateOptions,
): Promise<boolean> {
  return db.transaction(async (queries) => {
    // Another process may have been faster.
    const rows = await readLedger(queries, engine);
    checkLedger(rows, options.migrations);
    if (rows.some(({ id }) => id === migration.id)) return false;
    const startedAt = options.now();
    for (const step of migration.steps) {
      if (step.do !== "dataJob") await queries.query(renderStep(step, engine));
    }
    await noteJobs(queries, migration, startedAt);
    await record(queries, migration, startedAt, options);
    return true;
  });
}

function checkLedger(rows: readonly LedgerRow[], migrations: readonly Migration[]): void {
  for (const row of rows) {
    const migration = migrations.find(({ id }) => id === row.id);
    const name = `migration ${row.id} "${row.name}"`;
    if (!migration && !row.backwardCompatible) {
      throw new SchemaError(
        "migration-newer",
        `Cannot use the database: ${name} is newer than this program; release ` +
          `${row.routerVersion} applied it`,
      );
    }
    if (migration && checksum(migration) !== row.checksum) {
      throw new SchemaError(
        "migration-checksum-mismatch",
        `Cannot use the database: ${name} was changed after it was applied`,
      );
    }
  }
}

async function record(
  queries: Queries,
  migration: Migration,
  startedAt: number,
  { now, routerVersion, backupRef = "" }: MigrateOptions,
): Promise<void> {
  await queries.query(
    "INSERT INTO schema_migrations (id, name, checksum, state, router_version, backup_ref, " +
      "backward_compatible, started_at, finished_at) " +
      "VALUES ($1, $2, $3, 'applied', $4, $5, $6, $7, $8)",
    migration.id,
    migration.name,
    checksum(migration),
    routerVersion,
    backupRef,
    migration.backwardCompatible ? 1 : 0,
    startedAt,
    now(),
  );
}
