import { createHash } from "node:crypto";
import { newId } from "../../core/new_id.ts";
import type { Lockable, Queries, Transactional, Value } from "../database.ts";
import { isOverflow } from "../exact_sum.ts";
import { completeTo } from "../offsets.ts";
import {
  insertDecisionBuckets,
  insertHistograms,
  insertRollup,
  isOfRun,
  ROLLUP_TABLES,
  type RollupSource,
} from "./rollup_sql.ts";
import type { RollupWindow } from "./window.ts";

/** What a run is made with. */
export interface RollupOptions {
  /** Makes the window immutable. */
  readonly finalize: boolean;
  /** Finalises though a journal may still hold calls of the window. */
  readonly force: boolean;
  /** Epoch ms. */
  readonly now: number;
  readonly routerVersion: string;
  /** Who asked; recorded. */
  readonly actor: string;
}

/** A run that was made. */
export interface RollupRun {
  readonly id: string;
  readonly window: RollupWindow;
  readonly status: "draft" | "finalized";
  /** The run it adds late calls to. */
  readonly adjusts: string | null;
  readonly calls: number;
  readonly rows: number;
  readonly checksum: string;
}

/** A window cannot be rolled up as asked; the message says why. */
export class RollupError extends Error {
  override readonly name = "RollupError";
}

const HOUR_MS = 3_600_000;
/** A batch that is under way is committed or undone by then: its rows come to an adjustment or not at all. */
const SETTLING_MS = 120_000;
const LOCKS = { lockMs: 30_000, statementMs: 300_000 };

/**
 * Rolls up windows, one transaction each: the draft of the same window is replaced. A window that is final
 * gets a run that adjusts it when calls came late.
 *
 * @throws RollupError when a window is final and nothing came late, or cannot be made final yet
 */
export async function runRollups(
  db: Lockable,
  windows: readonly RollupWindow[],
  options: RollupOptions,
): Promise<RollupRun[]> {
  return await db.exclusively(LOCKS, async (alone) => {
    const made: RollupRun[] = [];
    for (const window of windows) {
      await assertShipped(alone, window, options);
      made.push(await runRollup(alone, window, options));
    }
    return made;
  });
}

async function assertShipped(
  db: Queries,
  { end }: RollupWindow,
  { finalize, force }: RollupOptions,
): Promise<void> {
  if (!finalize || force) return;
  const complete = await completeTo(db);
  if (complete !== null && complete >= BigInt(end + HOUR_MS)) return;
  const until = new Date(end + HOUR_MS).toISOString();
  throw new RollupError(
    `Cannot finalise the window to ${new Date(end).toISOString()}: not every journal is shipped ` +
      `to ${until} (--force does it anyway)`,
  );
}

function runRollup(
  db: Transactional,
  window: RollupWindow,
  options: RollupOptions,
): Promise<RollupRun> {
  return db.transaction(async (queries) => {
    const id = `rol_${newId(options.now)}`;
    const final = await finalRuns(queries, window);
    const after = final.reduce((latest, { generatedAt }) => Math.max(latest, generatedAt), -1);
    const until = options.finalize || final.length > 0 ? options.now - SETTLING_MS : options.now;
    const source = { runId: id, window, after, until };
    const adjusts = final[0]?.id ?? null;
    if (adjusts !== null && await countCalls(queries, source) === 0) {
      throw new RollupError(`Cannot roll up ${describe(window)}: run ${adjusts} made it final`);
    }
    if (adjusts === null) await deleteDrafts(queries, window);
    if (options.finalize) await assertSettled(queries, source);
    const status = options.finalize || adjusts !== null ? "finalized" : "draft";
    return await insertRun(queries, { source, status, adjusts, options });
  });
}

/** What is loaded right now must not miss the one run that counts. */
async function assertSettled(db: Queries, source: RollupSource): Promise<void> {
  const { until, window } = source;
  const fresh = { ...source, after: until, until: Number.MAX_SAFE_INTEGER };
  if (await countCalls(db, fresh) === 0) return;
  throw new RollupError(
    `Cannot finalise ${describe(window)}: calls of it were loaded within the last ` +
      `${SETTLING_MS / 60_000} minutes; try again then`,
  );
}

/** The final runs of a window, the first of them first. */
async function finalRuns(db: Queries, { type, start, end }: RollupWindow) {
  const rows = await db.query(
    `SELECT id, generated_at FROM usage_rollup_runs WHERE rollup_type = $1 AND status = 'finalized'
      AND window_start < $2 AND window_end > $3 ORDER BY adjusts_run_id IS NOT NULL, id`,
    type,
    end,
    start,
  );
  return rows.map(({ id, generated_at }) => ({
    id: String(id),
    generatedAt: Number(generated_at),
  }));
}

async function deleteDrafts(db: Queries, { type, start, end }: RollupWindow): Promise<void> {
  const drafts = await db.query(
    `SELECT id FROM usage_rollup_runs
      WHERE rollup_type = $1 AND status = 'draft' AND window_start = $2 AND window_end = $3`,
    type,
    start,
    end,
  );
  const tables = [ROLLUP_TABLES[type], "usage_rollup_histograms", "usage_rollup_decision_buckets"];
  for (const { id = "" } of drafts) {
    for (const table of tables) await db.query(`DELETE FROM ${table} WHERE run_id = $1`, id);
    await db.query("DELETE FROM usage_rollup_runs WHERE id = $1", id);
  }
}

interface NewRun {
  readonly source: RollupSource;
  readonly status: RollupRun["status"];
  readonly adjusts: string | null;
  readonly options: RollupOptions;
}

async function insertRun(
  db: Queries,
  { source, status, adjusts, options }: NewRun,
): Promise<RollupRun> {
  const { runId: id, window, until } = source;
  const { checksum, calls, minTs, maxTs } = await readSource(db, source);
  await insertRows(db, source);
  const rows = await countRows(db, ROLLUP_TABLES[window.type], id);
  const values: Record<string, Value> = {
    id,
    rollup_type: window.type,
    status,
    source_checksum: checksum,
    router_version: options.routerVersion,
    adjusts_run_id: adjusts,
    window_start: window.start,
    window_end: window.end,
    source_request_count: calls,
    rollup_row_count: rows,
    decision_bucket_row_count: await countRows(db, "usage_rollup_decision_buckets", id),
    started_at: options.now,
    source_min_ts: minTs,
    source_max_ts: maxTs,
    completed_at: options.now,
    generated_at: until,
    finalized_at: status === "finalized" ? options.now : null,
  };
  const columns = Object.keys(values);
  await db.insert("usage_rollup_runs", [{ columns, values: Object.values(values) }]);
  if (status === "finalized") await audit(db, { id, adjusts, options });
  return { id, window, status, adjusts, calls, rows, checksum };
}

async function insertRows(db: Queries, source: RollupSource): Promise<void> {
  try {
    await db.query(insertRollup(source));
    await db.query(insertHistograms(source));
    await db.query(insertDecisionBuckets(source));
  } catch (error) {
    if (!isOverflow(error)) throw error;
    throw new RollupError(
      `Cannot roll up ${describe(source.window)}: its amounts come to more than a column holds; ` +
        "reports read its calls",
    );
  }
}

async function audit(
  db: Queries,
  { id, adjusts, options }: { id: string; adjusts: string | null; options: RollupOptions },
): Promise<void> {
  const action = adjusts === null ? options.force ? "force_finalize" : "finalize" : "adjust";
  await db.insert("usage_rollup_audit_events", [{
    columns: ["id", "run_id", "action", "actor_subject", "note", "ts"],
    values: [`aud_${newId(options.now)}`, id, action, options.actor, adjusts ?? "", options.now],
  }]);
}

const PAGE = 20_000n;

/**
 * Reads the calls of a run page by page: lower-case hex SHA-256 over `request_id`, `ts`, `status`,
 * `total_tokens` and `total_cost_nusd` of each, one a line, in the order of their ids.
 */
export async function readSource(db: Queries, source: Omit<RollupSource, "runId">) {
  const hash = createHash("sha256");
  let [calls, last] = [0, ""];
  let minTs: bigint | null = null;
  let maxTs: bigint | null = null;
  for (;;) {
    const rows = await db.query(
      `SELECT request_id, ts, status, total_tokens, total_cost_nusd FROM request_usage AS u
        WHERE ${isOfRun(source)} AND request_id > $1 ORDER BY request_id LIMIT ${PAGE}`,
      last,
    );
    for (const { request_id, ts, status, total_tokens, total_cost_nusd } of rows) {
      const at = BigInt(ts!);
      hash.update(`${request_id} ${ts} ${status} ${total_tokens} ${total_cost_nusd ?? ""}\n`);
      if (minTs === null || at < minTs) minTs = at;
      if (maxTs === null || at > maxTs) maxTs = at;
      last = String(request_id);
    }
    calls += rows.length;
    if (rows.length < PAGE) return { checksum: hash.digest("hex"), calls, minTs, maxTs };
  }
}

async function countCalls(db: Queries, source: RollupSource): Promise<number> {
  const [row] = await db.query(
    `SELECT count(*) AS n FROM request_usage AS u WHERE ${isOfRun(source)}`,
  );
  return Number(row?.n);
}

async function countRows(db: Queries, table: string, runId: string): Promise<number> {
  const [row] = await db.query(`SELECT count(*) AS n FROM ${table} WHERE run_id = $1`, runId);
  return Number(row?.n);
}

function describe({ type, start }: RollupWindow): string {
  return `the ${type} window from ${new Date(start).toISOString()}`;
}
