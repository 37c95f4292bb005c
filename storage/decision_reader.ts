import type {
  DecisionStore,
  PageCut,
  RecordedCall,
  RecordedDecision,
  RecordFilter,
  RecordPage,
  RecordPlace,
  StoredBundle,
} from "../core/decision_store.ts";
import type { DatabasePlace, UsageDatabase, Value } from "./database.ts";
import { assertCurrent } from "./migrate.ts";
import { migrations } from "./migrations/mod.ts";
import { openDatabase } from "./open_database.ts";

type Row = Readonly<Record<string, Value>>;

/** Ids in one list of a statement. */
const MAX_IDS = 500;

const DECISION = `
  SELECT r.request_id, r.group_name, r.config_fingerprint, d.policy_kind, r.policy_digest,
    r.engine, r.seed, r.context_z, r.context_sha256, r.content_sha256, r.plan_json, d.plan_sha256`;

const CALL = `${DECISION},
    u.caller_id, u.target_index, u.latency_ms, u.fallback_used,
    u.input_tokens, u.cached_input_tokens, u.cache_write_tokens, u.output_tokens, u.image_tokens,
    u.input_image_count, u.input_cost_nusd, u.cached_input_cost_nusd, u.cache_write_cost_nusd,
    u.output_cost_nusd, u.image_cost_nusd, u.total_cost_nusd`;

const FROM = `
  FROM request_decision_records AS r
  LEFT JOIN request_routing_decisions AS d ON d.request_id = r.request_id`;

/**
 * Opens recorded decisions of a usage database; any thread may.
 *
 * @throws what the database says, and when its schema is not the one of this program
 */
export async function openDecisionStore(place: DatabasePlace): Promise<DecisionStore> {
  const db = await openDatabase(place, "read");
  try {
    await assertCurrent(db, migrations);
    return new DatabaseDecisions(db);
  } catch (error) {
    await db[Symbol.asyncDispose]();
    throw error;
  }
}

class DatabaseDecisions implements DecisionStore {
  readonly #db: UsageDatabase;

  constructor(db: UsageDatabase) {
    this.#db = db;
  }

  async count(filter: RecordFilter): Promise<number> {
    const { where, values } = whereOf(filter, { ts: filter.since, requestId: "" });
    const [row] = await this.#db.query(
      `SELECT count(*) AS records FROM request_decision_records AS r WHERE ${where}`,
      ...values,
    );
    return Number(row?.records ?? 0);
  }

  async *pages(filter: RecordFilter, { size, limit }: PageCut): AsyncIterable<RecordPage> {
    let after: RecordPlace = { ts: filter.since, requestId: "" };
    for (let left = limit; left > 0;) {
      const page = await this.#pageAfter(filter, after, Math.min(size, left));
      if (!page) return;
      yield page;
      after = page.to;
      left -= page.count;
    }
  }

  async #pageAfter(
    filter: RecordFilter,
    after: RecordPlace,
    size: number,
  ): Promise<RecordPage | null> {
    const { where, values } = whereOf(filter, after);
    const [row] = await this.#db.query(
      `SELECT max(ts) AS ts, max(request_id) FILTER (WHERE ts = last_ts) AS request_id,
          count(*) AS records
        FROM (SELECT ts, request_id, max(ts) OVER () AS last_ts FROM
          (SELECT r.ts, r.request_id FROM request_decision_records AS r
            WHERE ${where} ORDER BY r.ts, r.request_id LIMIT ${size}) AS page) AS numbered`,
      ...values,
    );
    if (!row || row.records === 0n) return null;
    const to = { ts: Number(row.ts), requestId: String(row.request_id) };
    return { after, to, count: Number(row.records) };
  }

  async read(filter: RecordFilter, { after, to }: RecordPage): Promise<readonly RecordedCall[]> {
    // The index is of times alone: without an end of its own, a page would read all that follow it.
    const { where, values } = whereOf({ ...filter, until: to.ts + 1 }, after);
    const last = values.length;
    const rows = await this.#db.query(
      `${CALL} ${FROM} JOIN request_usage AS u ON u.request_id = r.request_id
        WHERE ${where} AND (r.ts, r.request_id) <= ($${last + 1}, $${last + 2})
        ORDER BY r.ts, r.request_id`,
      ...values,
      to.ts,
      to.requestId,
    );
    const failed = await this.#failedTargets(rows);
    return rows.map((row) => callOf(row, failed.get(String(row.request_id)) ?? NONE));
  }

  async #failedTargets(calls: readonly Row[]): Promise<ReadonlyMap<string, readonly string[]>> {
    const ids = calls.flatMap((row) => row.fallback_used === 1n ? [String(row.request_id)] : []);
    const found = new Map<string, string[]>();
    for (let at = 0; at < ids.length; at += MAX_IDS) {
      const some = ids.slice(at, at + MAX_IDS);
      const rows = await this.#db.query(
        `SELECT request_id, failed_target_id FROM request_fallback_transitions
          WHERE request_id IN (${some.map((_, place) => `$${place + 1}`).join(", ")})
          ORDER BY request_id, seq`,
        ...some,
      );
      for (const row of rows) {
        const id = String(row.request_id);
        found.set(id, [...found.get(id) ?? [], String(row.failed_target_id)]);
      }
    }
    return found;
  }

  async find(requestId: string): Promise<RecordedDecision | null> {
    const [row] = await this.#db.query(`${DECISION} ${FROM} WHERE r.request_id = $1`, requestId);
    return row ? decisionOf(row) : null;
  }

  async statics(configFingerprint: string, group: string): Promise<string | null> {
    const [row] = await this.#db.query(
      `SELECT static_z FROM route_config_snapshots
        WHERE config_fingerprint = $1 AND group_name = $2`,
      configFingerprint,
      group,
    );
    return row ? String(row.static_z) : null;
  }

  async bundle(digest: string): Promise<StoredBundle | null> {
    const [row] = await this.#db.query(
      "SELECT manifest_json, bundle_z FROM policy_bundles WHERE policy_digest = $1",
      digest,
    );
    if (!row) return null;
    return { manifestJson: String(row.manifest_json), bundleZ: String(row.bundle_z) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#db[Symbol.asyncDispose]();
  }
}

const NONE: readonly string[] = [];

function whereOf({ group, until }: RecordFilter, after: RecordPlace) {
  const where = "(r.ts, r.request_id) > ($1, $2) AND r.ts < $3";
  const values: readonly Value[] = [after.ts, after.requestId, until];
  if (group === null) return { where, values };
  return { where: `${where} AND r.group_name = $4`, values: [...values, group] };
}

function decisionOf(row: Row): RecordedDecision {
  return {
    requestId: String(row.request_id),
    group: String(row.group_name),
    configFingerprint: String(row.config_fingerprint),
    policyKind: textOrNull(row.policy_kind),
    policyDigest: textOrNull(row.policy_digest),
    engine: String(row.engine),
    seed: Number(row.seed),
    contextZ: String(row.context_z),
    contextSha256: String(row.context_sha256),
    contentSha256: textOrNull(row.content_sha256),
    planJson: String(row.plan_json),
    planSha256: textOrNull(row.plan_sha256),
  };
}

function callOf(row: Row, failedTargets: readonly string[]): RecordedCall {
  return {
    ...decisionOf(row),
    caller: String(row.caller_id),
    servedIndex: numberOrNull(row.target_index),
    latencyMs: Number(row.latency_ms),
    tokens: {
      input: Number(row.input_tokens),
      cachedInput: Number(row.cached_input_tokens),
      cacheWrite: Number(row.cache_write_tokens),
      output: Number(row.output_tokens),
      image: numberOrNull(row.image_tokens),
      imageCount: Number(row.input_image_count),
    },
    costNusd: {
      input: amount(row.input_cost_nusd),
      cached_input: amount(row.cached_input_cost_nusd),
      cache_write: amount(row.cache_write_cost_nusd),
      output: amount(row.output_cost_nusd),
      image: amount(row.image_cost_nusd),
      total: amount(row.total_cost_nusd),
    },
    failedTargets,
  };
}

function textOrNull(value: Value | undefined): string | null {
  return value === null || value === undefined ? null : String(value);
}

function numberOrNull(value: Value | undefined): number | null {
  return value === null || value === undefined ? null : Number(value);
}

function amount(value: Value | undefined): bigint | null {
  return value === null || value === undefined ? null : BigInt(value);
}
