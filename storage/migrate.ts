import type { DatabaseSync } from "node:sqlite";
import { checksum, type Migration } from "./migration.ts";
import { transaction } from "./sqlite.ts";
import { sqliteStep } from "./sqlite_sql.ts";

/** The schema of a database cannot be worked with; `code` is a fixed word. */
export class SchemaError extends Error {
  override readonly name = "SchemaError";

  constructor(
    readonly code: "migration-checksum-mismatch" | "migration-newer" | "migration-pending",
    message: string,
  ) {
    super(message);
  }
}

/** What applying needs besides the database. */
export interface MigrateOptions {
  readonly migrations: readonly Migration[];
  /** Recorded with each applied migration. */
  readonly routerVersion: string;
  /** Epoch ms. */
  now(): number;
}

interface LedgerRow {
  readonly id: number;
  readonly name: string;
  readonly checksum: string;
  readonly backward_compatible: number;
}

/**
 * Applies what is pending, one transaction per migration together with its ledger row.
 *
 * @returns the ids that were applied
 * @throws SchemaError when an applied migration was changed, or a newer one is not marked compatible
 */
export async function migrate(db: DatabaseSync, options: MigrateOptions): Promise<number[]> {
  const sums = await Promise.all(options.migrations.map(checksum));
  const applied: number[] = [];
  checkLedger(db, options.migrations, sums);
  for (const [place, migration] of options.migrations.entries()) {
    if (ledger(db).some(({ id }) => id === migration.id)) continue;
    transaction(db, "EXCLUSIVE", () => {
      // Another process may have been faster.
      checkLedger(db, options.migrations, sums);
      if (ledger(db).some(({ id }) => id === migration.id)) return;
      for (const step of migration.steps) db.exec(sqliteStep(step));
      record(db, migration, sums[place]!, options);
      applied.push(migration.id);
    });
  }
  return applied;
}

/**
 * Refuses a database whose schema this program does not know, or that lacks a migration.
 *
 * @throws SchemaError
 */
export async function assertCurrent(
  db: DatabaseSync,
  migrations: readonly Migration[],
): Promise<void> {
  checkLedger(db, migrations, await Promise.all(migrations.map(checksum)));
  const applied = new Set(ledger(db).map(({ id }) => id));
  const missing = migrations.filter(({ id }) => !applied.has(id)).length;
  if (missing > 0) {
    throw new SchemaError("migration-pending", `Cannot use the database: ${missing} to migrate`);
  }
}

function checkLedger(
  db: DatabaseSync,
  migrations: readonly Migration[],
  sums: readonly string[],
): void {
  for (const row of ledger(db)) {
    const place = migrations.findIndex(({ id }) => id === row.id);
    if (place < 0 && row.backward_compatible === 0) {
      throw new SchemaError(
        "migration-newer",
        `Cannot use the database: migration ${row.id} "${row.name}" is newer than this program`,
      );
    }
    if (place >= 0 && sums[place] !== row.checksum) {
      throw new SchemaError(
        "migration-checksum-mismatch",
        `Cannot use the database: migration ${row.id} "${row.name}" was changed after it was applied`,
      );
    }
  }
}

function ledger(db: DatabaseSync): LedgerRow[] {
  const exists = db.prepare("SELECT 1 FROM sqlite_master WHERE name = 'schema_migrations'").get();
  if (!exists) return [];
  const sql = "SELECT id, name, checksum, backward_compatible FROM schema_migrations ORDER BY id";
  return db.prepare(sql).all() as unknown as LedgerRow[];
}

function record(
  db: DatabaseSync,
  migration: Migration,
  sum: string,
  { now, routerVersion }: MigrateOptions,
): void {
  db.prepare(
    "INSERT INTO schema_migrations (id, name, checksum, state, router_version, " +
      "backward_compatible, started_at, finished_at) VALUES (?, ?, ?, 'applied', ?, ?, ?, ?)",
  ).run(
    migration.id,
    migration.name,
    sum,
    routerVersion,
    migration.backwardCompatible ? 1 : 0,
    now(),
    now(),
  );
}
