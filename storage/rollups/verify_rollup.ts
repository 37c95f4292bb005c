import type { Queries } from "../database.ts";
import { isOfRun, ROLLUP_TABLES } from "./rollup_sql.ts";
import { readSource } from "./run_rollup.ts";
import { ROLLUP_TYPES } from "./window.ts";

const SUMS = ["total_tokens", "total_cost_nusd", "other_attempts_cost_nusd"];

/** What differs between a run and the calls it was made of; `null` when there is no such run. */
export async function verifyRollup(db: Queries, id: string): Promise<string[] | null> {
  const [run] = await db.query("SELECT * FROM usage_rollup_runs WHERE id = $1", id);
  const type = ROLLUP_TYPES.find((name) => name === run?.rollup_type);
  if (!run || !type) return null;
  const source = {
    window: { type, start: Number(run.window_start), end: Number(run.window_end) },
    after: run.adjusts_run_id === null ? -1 : await before(db, id, String(run.adjusts_run_id)),
    until: Number(run.generated_at),
  };
  const { checksum, calls } = await readSource(db, source);
  const rollup = await sums(db, `${ROLLUP_TABLES[type]} WHERE run_id = '${run.id}'`);
  const details = await sums(db, `request_usage AS u WHERE ${isOfRun(source)}`);
  const facts: [string, unknown, unknown][] = [
    ["calls", run.source_request_count, BigInt(calls)],
    ["checksum", run.source_checksum, checksum],
    ...SUMS.map((name): [string, unknown, unknown] => [name, rollup[name], details[name]]),
  ];
  return facts.filter(([, rolled, now]) => rolled !== now)
    .map(([what, rolled, now]) => `${what}: ${rolled} in the rollup, ${now} in the calls`);
}

/** Up to when calls were loaded that earlier runs of the same window hold. */
async function before(db: Queries, id: string, adjusts: string): Promise<number> {
  const [row] = await db.query(
    `SELECT max(generated_at) AS latest FROM usage_rollup_runs
      WHERE (id = $1 OR adjusts_run_id = $2) AND id < $3`,
    adjusts,
    adjusts,
    id,
  );
  return Number(row?.latest ?? -1);
}

async function sums(db: Queries, from: string) {
  const columns = SUMS.map((name) => `cast(coalesce(sum(${name}), 0) as bigint) AS ${name}`);
  const [row] = await db.query(`SELECT ${columns.join(", ")} FROM ${from}`);
  return row ?? {};
}
