import type { DataClass, RetentionRule } from "../../core/snapshot.ts";
import { tables } from "../schema.ts";
import { CHILD_CLASSES, type RetentionTable } from "./retention_tables.ts";

/** What may be deleted of a table: all of it is decided by the database. */
export interface RetentionQuery {
  readonly table: RetentionTable;
  readonly rule: RetentionRule;
  /** Older rows are candidates; epoch ms. */
  readonly cutoff: number;
}

/** Where the time of a row is a column of its own. */
function ownTime({ time }: RetentionTable): string | null {
  return time.startsWith("t.") ? time.slice(2) : null;
}

const isCandidate = ({ table, cutoff }: RetentionQuery) => `${table.time} < ${cutoff}`;

/**
 * A hold keeps the rows it names; empty fields name all. What cannot be told, as the call of a row is gone,
 * counts as named. The row of a call is kept by holds on what hangs on it, too.
 */
function isHeld({ table, rule: { dataClass } }: RetentionQuery): string {
  const classes = dataClass === "usage_detail" ? [dataClass, ...CHILD_CLASSES] : [dataClass];
  const same = (field: string, column: string) =>
    `(h.${field} = '' OR ${column} IS NULL OR h.${field} = ${column})`;
  return `EXISTS (SELECT 1 FROM legal_holds AS h WHERE h.active = 1
    AND h.data_class IN (${classes.map((name) => `'${name}'`).join(", ")})
    AND ${same("request_id", "t.request_id")}
    AND ${same("caller_project", table.project)}
    AND ${same("caller_environment", table.environment)}
    AND (h.start_ts IS NULL OR ${callTime(table, dataClass)} >= h.start_ts)
    AND (h.end_ts IS NULL OR ${callTime(table, dataClass)} < h.end_ts))`;
}

/** A capture's retention time is not when it happened. */
function callTime({ time, name }: RetentionTable, dataClass: DataClass): string {
  if (dataClass !== "content_capture") return time;
  return name === "request_content_headers" ? "c.ts" : "t.ts";
}

/** No final daily rollup holds the call, neither the first nor one that adjusts it. */
function isBlocked({ rule, table }: RetentionQuery): string {
  if (!rule.requireFinalizedRollup) return "1 = 0";
  const loaded = table.name === "request_usage" ? "AND r.generated_at >= t.ingested_at" : "";
  return `NOT EXISTS (SELECT 1 FROM usage_rollup_runs AS r WHERE r.rollup_type = 'daily'
    AND r.status = 'finalized' AND r.window_start <= ${table.time} AND r.window_end > ${table.time}
    ${loaded})`;
}

/** One row: `candidates`, `held`, and `blocked` ones that are not held. */
export function countSql(query: RetentionQuery): string {
  const [held, blocked] = [isHeld(query), isBlocked(query)];
  return `SELECT count(*) AS candidates,
      cast(coalesce(sum(CASE WHEN ${held} THEN 1 ELSE 0 END), 0) as bigint) AS held,
      cast(coalesce(sum(CASE WHEN NOT ${held} AND ${blocked} THEN 1 ELSE 0 END), 0) as bigint)
        AS blocked
    FROM ${query.table.from} WHERE ${isCandidate(query)}`;
}

/**
 * Deletes at most a batch, the oldest first. `$1` is a time before which nothing is eligible, so that what
 * is held there need not be looked at again. Gives each row's `time`, NULL where it has none of its own,
 * and as `id` the first column of its key.
 */
export function deleteSql(query: RetentionQuery): string {
  const { table: { name } } = query;
  const key = tables.get(name)!.key;
  return `DELETE FROM ${name} WHERE (${key.join(", ")}) IN (${oldest(query, key)})
    RETURNING ${ownTime(query.table) ?? "NULL"} AS time, ${key[0]} AS id`;
}

function oldest(query: RetentionQuery, columns: readonly string[]): string {
  const { table, rule } = query;
  const own = tables.get(table.name)!.key.map((name) => `t.${name}`).join(", ");
  return `SELECT ${columns.map((name) => `t.${name}`).join(", ")} FROM ${table.from}
    WHERE ${isCandidate(query)} AND ${table.time} >= $1 AND NOT ${isHeld(query)} AND NOT (${
    isBlocked(query)
  })
    ORDER BY ${table.time}, ${own} LIMIT ${rule.batchSize}`;
}
