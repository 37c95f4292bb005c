import { type DataJobState, unfinishedJobs } from "./data_jobs.ts";
import type { Queries } from "./database.ts";
import type { Engine } from "./engine.ts";
import { type LedgerRow, readLedger } from "./migrate.ts";
import { checksum, indexName, type Migration, type Step } from "./migration.ts";
import { tablesAfter } from "./schema.ts";
import { columnsOf } from "./table.ts";

/** How the schema of a database compares with the migrations. */
export interface SchemaStatus {
  readonly ledger: readonly LedgerRow[];
  readonly pending: readonly Migration[];
  /** Data jobs that are not done. */
  readonly jobs: readonly DataJobState[];
  /** What is wrong, a sentence each: changed migrations, newer ones, things that are not there. */
  readonly faults: readonly string[];
}

/** A database that has nothing yet. */
export function emptyStatus(migrations: readonly Migration[]): SchemaStatus {
  return { ledger: [], pending: migrations, jobs: [], faults: [] };
}

/** Reads the ledger and what is really there. */
export async function schemaStatus(
  db: Queries & { readonly engine: Engine },
  migrations: readonly Migration[],
): Promise<SchemaStatus> {
  const ledger = await readLedger(db, db.engine);
  const applied = migrations.filter(({ id }) => ledger.some((row) => row.id === id));
  const pending = migrations.filter((migration) => !applied.includes(migration));
  return {
    ledger,
    pending,
    jobs: await unfinishedJobs(db, db.engine),
    faults: [
      ...ledger.flatMap((row) => ledgerFault(row, migrations) ?? []),
      ...ledger.length > 0 ? await drift(db, applied) : [],
    ],
  };
}

/** Rows of the tables that a migration changes, but for those in `made`, which are not there yet. */
export async function rowsTouched(
  db: Queries,
  { steps }: Migration,
  made: ReadonlySet<string>,
): Promise<number> {
  const touched = new Set(
    steps.flatMap((step) => {
      if (step.do === "dataJob") return step.job.table;
      return step.do === "addColumn" || step.do === "createIndex" ? step.table : [];
    }),
  );
  let rows = 0;
  for (const table of touched.difference(made)) {
    const [row] = await db.query(`SELECT count(*) AS n FROM ${table}`);
    rows += Number(row?.n ?? 0);
  }
  return rows;
}

function ledgerFault(row: LedgerRow, migrations: readonly Migration[]): string | null {
  const migration = migrations.find(({ id }) => id === row.id);
  const name = `migration ${row.id} "${row.name}"`;
  if (!migration) {
    const newer = `${name} is newer than this program; release ${row.routerVersion} applied it`;
    return row.backwardCompatible ? null : newer;
  }
  if (checksum(migration) === row.checksum) return null;
  return `${name} was changed after it was applied (migration-checksum-mismatch)`;
}

/** Columns and indexes that the migrations made and that are not there. More than that is no fault. */
async function drift(
  db: Queries & { readonly engine: Engine },
  applied: readonly Migration[],
): Promise<string[]> {
  const columns = new Set(
    (await db.query(db.engine.columnsSql)).map((row) => `${row.table_name}.${row.column_name}`),
  );
  const indexes = new Set((await db.query(db.engine.indexesSql)).map(({ name }) => String(name)));
  const steps = applied.flatMap(({ steps }) => steps);
  return [
    ...[...tablesAfter(applied).values()]
      .flatMap((table) => columnsOf(table).map(({ name }) => `${table.name}.${name}`))
      .concat(steps.flatMap(viewColumns))
      .filter((name) => !columns.has(name))
      .map((name) => `column ${name} is missing`),
    ...steps
      .flatMap((step) => step.do === "createIndex" ? [indexName(step.table, step.columns)] : [])
      .filter((name) => !indexes.has(name))
      .map((name) => `index ${name} is missing`),
  ];
}

function viewColumns(step: Step): string[] {
  return step.do === "createView"
    ? step.view.columns.map((column) => `${step.view.name}.${column}`)
    : [];
}
