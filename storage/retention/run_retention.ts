import { createHash } from "node:crypto";
import { newId } from "../../core/new_id.ts";
import { DAY_MS } from "../../core/period.ts";
import type { DataClass, RetentionRule, RetentionSettings } from "../../core/snapshot.ts";
import type { Queries, Transactional, Value } from "../database.ts";
import { countSql, deleteSql, type RetentionQuery } from "./retention_sql.ts";
import { CHILDREN, RETENTION_TABLES } from "./retention_tables.ts";

/** How the rows of a table stand that are older than their class may be. */
export interface TableState {
  readonly table: string;
  readonly rule: RetentionRule;
  /** Epoch ms. */
  readonly cutoff: number;
  readonly candidates: number;
  /** Kept by a hold. */
  readonly held: number;
  /** Not held, and in no final rollup yet. */
  readonly blocked: number;
  readonly eligible: number;
  readonly deleted: number;
}

/** What a run is made with. */
export interface RetentionOptions {
  readonly settings: RetentionSettings;
  /** Only this class; `null`: all that are on. */
  readonly dataClass: DataClass | null;
  /** Batches per class; `null`: until nothing is left. */
  readonly batches: number | null;
  /** Epoch ms. */
  readonly now: number;
  /** Who asked; recorded. */
  readonly requestedBy: string;
}

/** Counts what a run would delete; changes nothing. */
export async function retentionStatus(
  db: Queries,
  options: Pick<RetentionOptions, "settings" | "dataClass" | "now">,
): Promise<TableState[]> {
  const found: TableState[] = [];
  for (const query of rulesOf(options).flatMap((rule) => queriesOf(rule, options.now))) {
    found.push(await stateOf(db, query));
  }
  return found;
}

/** Deletes what is old enough, class by class, and records the run. A dry run counts only. */
export async function runRetention(
  db: Transactional,
  options: RetentionOptions,
): Promise<TableState[]> {
  const { dryRun } = options.settings;
  const job = `rtj_${newId(options.now)}`;
  await startJob(db, job, options);
  const states = await retentionStatus(db, options);
  const done: TableState[] = [];
  for (const rule of rulesOf(options)) {
    const deleted = dryRun ? new Map<string, number>() : await purge(db, rule, options);
    const own = states.filter((state) => state.rule.dataClass === rule.dataClass);
    done.push(...own.map((state) => ({ ...state, deleted: deleted.get(state.table) ?? 0 })));
  }
  await endJob(db, job, { states: done, options });
  return done;
}

function rulesOf({ settings, dataClass }: Pick<RetentionOptions, "settings" | "dataClass">) {
  return settings.rules.filter((rule) =>
    rule.enabled && (dataClass === null || rule.dataClass === dataClass)
  );
}

function queriesOf(rule: RetentionRule, now: number): readonly RetentionQuery[] {
  // A capture says itself until when it may stay.
  const cutoff = rule.dataClass === "content_capture" ? now : now - rule.days * DAY_MS;
  return RETENTION_TABLES[rule.dataClass].map((table) => ({ table, rule, cutoff }));
}

async function stateOf(db: Queries, query: RetentionQuery): Promise<TableState> {
  const [row] = await db.query(countSql(query));
  const [candidates, held, blocked] = [row?.candidates, row?.held, row?.blocked].map(Number);
  const { rule, cutoff, table: { name: table } } = query;
  const eligible = candidates! - held! - blocked!;
  return {
    table,
    rule,
    cutoff,
    candidates: candidates!,
    held: held!,
    blocked: blocked!,
    eligible,
    deleted: 0,
  };
}

/** Deletes batch by batch, one transaction each; gives the rows that were deleted by table. */
async function purge(
  db: Transactional,
  rule: RetentionRule,
  { now, batches }: RetentionOptions,
): Promise<Map<string, number>> {
  const deleted = new Map<string, number>();
  const queries = queriesOf(rule, now);
  const since = new Map<string, number>();
  for (let batch = 0; batches === null || batch < batches; batch += 1) {
    const done = await db.transaction((transaction) => deleteBatch(transaction, queries, since));
    for (const { table, count, latest } of done) {
      deleted.set(table, (deleted.get(table) ?? 0) + count);
      since.set(table, latest);
    }
    if (done.every(({ count }) => count === 0)) break;
  }
  return deleted;
}

/** What a batch deleted of a table, and the time of the latest row of it. */
interface Deleted {
  readonly table: string;
  readonly count: number;
  /** Epoch ms. */
  readonly latest: number;
}

async function deleteBatch(
  db: Queries,
  queries: readonly RetentionQuery[],
  since: ReadonlyMap<string, number>,
): Promise<Deleted[]> {
  const done: Deleted[] = [];
  for (const query of queries) {
    const { table: { name: table }, rule } = query;
    const from = since.get(table) ?? 0;
    const rows = await db.query(deleteSql(query), from);
    if (rule.dataClass === "usage_detail") {
      await deleteChildren(db, rows.map(({ id }) => String(id)));
    }
    const latest = rows.reduce((max, { time }) => Math.max(max, Number(time)), from);
    done.push({ table, count: rows.length, latest });
  }
  return done;
}

/** Deletes what hangs on calls by their ids: to look for them again would take longer. */
async function deleteChildren(db: Queries, ids: readonly string[]): Promise<void> {
  for (const table of CHILDREN) await db.remove(table, "request_id", ids);
}

async function startJob(db: Transactional, id: string, options: RetentionOptions): Promise<void> {
  const { now, settings, requestedBy } = options;
  await db.transaction(async (queries) => {
    const policy = await recordPolicy(queries, settings, now);
    await insert(queries, "retention_jobs", {
      id,
      policy_version_id: policy,
      mode: settings.dryRun ? "dry_run" : "delete",
      status: "running",
      requested_by: requestedBy,
      dry_run: settings.dryRun ? 1 : 0,
      started_at: now,
    });
  });
}

async function endJob(
  db: Transactional,
  id: string,
  { states, options }: { states: readonly TableState[]; options: RetentionOptions },
): Promise<void> {
  await db.transaction(async (queries) => {
    for (const { table, rule, cutoff, candidates, held, blocked, eligible, deleted } of states) {
      await insert(queries, "retention_job_table_results", {
        job_id: id,
        table_name: table,
        data_class: rule.dataClass,
        status: options.settings.dryRun ? "dry_run" : "done",
        retention_days: rule.days,
        batch_size: rule.batchSize,
        cutoff_ts: cutoff,
        candidate_rows: candidates,
        held_rows: held,
        blocked_rows: blocked,
        eligible_rows: eligible,
        deleted_rows: deleted,
      });
    }
    const end = "UPDATE retention_jobs SET status = 'done', completed_at = $1 WHERE id = $2";
    await queries.query(end, options.now, id);
  });
}

/** The version of these rules: a new one when they are not those in force. */
async function recordPolicy(
  db: Queries,
  settings: RetentionSettings,
  now: number,
): Promise<string> {
  const hash = createHash("sha256").update(JSON.stringify(settings)).digest("hex");
  const [active] = await db.query(
    "SELECT id, config_hash FROM retention_policy_versions WHERE active = 1",
  );
  if (active?.config_hash === hash) return String(active.id);
  const id = `rtp_${newId(now)}`;
  await db.query(
    "UPDATE retention_policy_versions SET active = 0, deactivated_at = $1 WHERE active = 1",
    now,
  );
  await insert(db, "retention_policy_versions", {
    id,
    config_hash: hash,
    source: "config",
    active: 1,
    dry_run: settings.dryRun ? 1 : 0,
    created_at: now,
    activated_at: now,
  });
  for (const [order, rule] of settings.rules.entries()) {
    await insert(db, "retention_policy_rules", {
      policy_version_id: id,
      rule_order: order,
      data_class: rule.dataClass,
      enabled: rule.enabled ? 1 : 0,
      require_finalized_rollup: rule.requireFinalizedRollup ? 1 : 0,
      retention_days: rule.days,
      batch_size: rule.batchSize,
    });
  }
  return id;
}

async function insert(
  db: Queries,
  table: string,
  row: Readonly<Record<string, Value>>,
): Promise<void> {
  await db.insert(table, [{ columns: Object.keys(row), values: Object.values(row) }]);
}
