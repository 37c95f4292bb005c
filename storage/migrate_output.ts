import type { UsageDatabase } from "./database.ts";
import { type Engine, renderStep, SQLITE } from "./engine.ts";
import type { Migration } from "./migration.ts";
import { rowsTouched, type SchemaStatus } from "./schema_status.ts";

/** A pending migration, and what it will do to this database. */
export interface Planned {
  readonly id: number;
  readonly name: string;
  readonly safe: boolean;
  readonly backward_compatible: boolean;
  /** Rows in the tables it changes. */
  readonly rows: number;
  readonly sql: readonly string[];
}

/** Plans migrations; a database that is not there yet is one of SQLite. */
export function planOf(
  db: UsageDatabase | null,
  pending: readonly Migration[],
): Promise<Planned[]> {
  const engine: Engine = db?.engine ?? SQLITE;
  const made = new Set(
    pending.flatMap(({ steps }) =>
      steps.flatMap((step) => step.do === "createTable" ? [step.table.name] : [])
    ),
  );
  return Promise.all(pending.map(async (migration) => ({
    id: migration.id,
    name: migration.name,
    safe: migration.safe,
    backward_compatible: migration.backwardCompatible,
    rows: db ? await rowsTouched(db, migration, made) : 0,
    sql: migration.steps.map((step) => renderStep(step, engine)),
  })));
}

/** A plan for people, or as JSON. */
export function printPlan(plan: readonly Planned[], json = false): string {
  if (json) return JSON.stringify({ pending: plan }, null, 2);
  if (plan.length === 0) return "Nothing is pending";
  return plan.map(({ id, name, safe, backward_compatible, rows, sql }) =>
    [
      `-- ${id} ${name}: ${safe ? "safe at a start" : "not safe at a start"}, ` +
      `${backward_compatible ? "the previous release can go on" : "no way back"}, ` +
      `${rows} rows in the tables it changes`,
      ...sql.map((statement) => `${statement};`),
    ].join("\n")
  ).join("\n\n");
}

/** The state of a schema for people, or as JSON. */
export function printStatus(
  { ledger, pending, jobs, faults }: SchemaStatus,
  json = false,
): string {
  if (json) {
    return JSON.stringify(
      {
        applied: ledger.map(({ id, name, checksum, finishedAt }) => ({
          id,
          name,
          checksum,
          applied_at: new Date(finishedAt).toISOString(),
        })),
        pending: pending.map(({ id, name }) => ({ id, name })),
        jobs: jobs.map(({ id, state, rowsDone, rowsTotal }) => ({
          id,
          state,
          rows_done: rowsDone,
          rows_total: rowsTotal,
        })),
        faults,
      },
      null,
      2,
    );
  }
  const verdict = faults.length > 0
    ? "Schema is broken"
    : pending.length > 0
    ? `Schema lacks ${pending.length} of ${ledger.length + pending.length} migrations`
    : jobs.length > 0
    ? "Data jobs are not done"
    : "Schema is current";
  return [
    ...ledger.map(({ id, name, checksum, finishedAt }) =>
      line(id, name, `${new Date(finishedAt).toISOString()}  ${checksum.slice(0, 12)}`)
    ),
    ...pending.map(({ id, name }) => line(id, name, "pending")),
    ...jobs.map(({ id, state, rowsDone, rowsTotal }) =>
      `job ${id}: ${state}, ${rowsDone} of ${rowsTotal} rows`
    ),
    ...faults.map((fault) => `fault: ${fault}`),
    verdict,
  ].join("\n");
}

function line(id: number, name: string, state: string): string {
  return `${String(id).padStart(4)}  ${name.padEnd(24)}${state}`;
}
