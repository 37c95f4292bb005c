import { kindOf } from "../core/thrown.ts";
import type { Queries, Transactional } from "./database.ts";
import type { Engine } from "./engine.ts";
import type { DataJob, Migration } from "./migration.ts";

/** Keys of a batch: each is one transaction, so that a job that is interrupted goes on from there. */
const BATCH_KEYS = 1_000;

/** What running jobs needs besides the database. */
export interface DataJobOptions {
  readonly engine: Engine;
  readonly migrations: readonly Migration[];
  /** Epoch ms. */
  now(): number;
}

/** Notes the jobs of a migration that is being applied: what is noted is run, or run on, by `apply`. */
export async function noteJobs(
  db: Queries,
  { id: migrationId, steps }: Migration,
  now: number,
): Promise<void> {
  for (const step of steps) {
    if (step.do !== "dataJob") continue;
    await db.query(
      "INSERT INTO schema_data_jobs (id, migration_id, state, updated_at, rows_total) " +
        `VALUES ($1, $2, 'pending', $3, (SELECT count(*) FROM ${step.job.table}))`,
      step.job.id,
      migrationId,
      now,
    );
  }
}

/** How far a job has come that is not done. */
export interface DataJobState {
  readonly id: string;
  readonly state: string;
  readonly rowsDone: number;
  readonly rowsTotal: number;
}

/** The jobs that are not done, in the order in which they run. */
export async function unfinishedJobs(db: Queries, engine: Engine): Promise<DataJobState[]> {
  const table = await db.query(
    `SELECT 1 AS one FROM (${engine.columnsSql}) AS c WHERE table_name = 'schema_data_jobs'`,
  );
  if (table.length === 0) return [];
  const rows = await db.query(
    "SELECT id, state, rows_done, rows_total FROM schema_data_jobs WHERE state <> 'done' " +
      "ORDER BY migration_id, id",
  );
  return rows.map(({ id, state, rows_done, rows_total }) => ({
    id: String(id),
    state: String(state),
    rowsDone: Number(rows_done),
    rowsTotal: Number(rows_total),
  }));
}

/**
 * Runs what is noted and not done, batch by batch.
 *
 * @returns the ids of the jobs that were finished
 * @throws what the database says; the job is marked `failed` and goes on from its cursor the next time
 */
export async function runDataJobs(
  db: Transactional,
  { engine, migrations, now }: DataJobOptions,
): Promise<string[]> {
  const jobs = migrations.flatMap(({ steps }) =>
    steps.flatMap((step) => step.do === "dataJob" ? [step.job] : [])
  );
  const finished: string[] = [];
  for (const { id } of await unfinishedJobs(db, engine)) {
    const job = jobs.find((job) => job.id === id);
    if (!job) continue;
    try {
      while (await runBatch(db, job, now()));
    } catch (error) {
      const name = kindOf(error);
      await db.query(
        "UPDATE schema_data_jobs SET state = 'failed', error = $1 WHERE id = $2",
        name,
        id,
      );
      throw error;
    }
    finished.push(id);
  }
  return finished;
}

/** Tells whether there was something left to do. */
function runBatch(db: Transactional, job: DataJob, now: number): Promise<boolean> {
  return db.transaction(async (queries) => {
    const [row] = await queries.query("SELECT cursor FROM schema_data_jobs WHERE id = $1", job.id);
    const cursor = String(row?.cursor ?? "");
    const { table, key, column, value } = job;
    const [range] = await queries.query(
      `SELECT max(k) AS last FROM (SELECT DISTINCT ${key} AS k FROM ${table} ` +
        `WHERE ${key} > $1 ORDER BY k LIMIT ${BATCH_KEYS}) AS batch`,
      cursor,
    );
    const last = range?.last ?? null;
    if (last === null) {
      await queries.query(
        "UPDATE schema_data_jobs SET state = 'done', error = '', updated_at = $1 WHERE id = $2",
        now,
        job.id,
      );
      return false;
    }
    await queries.query(
      `UPDATE ${table} SET ${column} = ${value} WHERE ${key} > $1 AND ${key} <= $2`,
      cursor,
      last,
    );
    await queries.query(
      `UPDATE schema_data_jobs SET state = 'running', error = '', cursor = $1, updated_at = $2, ` +
        `rows_done = rows_done + (SELECT count(*) FROM ${table} WHERE ${key} > $3 AND ${key} <= $4) ` +
        "WHERE id = $5",
      last,
      now,
      cursor,
      last,
      job.id,
    );
    return true;
  });
}
