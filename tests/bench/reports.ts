import { join } from "node:path";
import type { DatabasePlace, UsageDatabase } from "../../storage/database.ts";
import { migrate } from "../../storage/migrate.ts";
import { migrations } from "../../storage/migrations/mod.ts";
import { openDatabase } from "../../storage/open_database.ts";
import { sections } from "../../storage/reports/sections.ts";
import { startPostgres } from "../postgres.ts";
import { filterOf, MONDAY } from "../report_calls.ts";
import { makePlace } from "../storage_fixture.ts";
import { measureBesideReports } from "./beside_reports.ts";
import { median } from "./measure.ts";
import { measurePurge } from "./purge.ts";

/** Calls in the database, spread over a week. */
const CALLS = 1_000_000;
const BATCH = 100_000;
const ROUNDS = 3;
const MEASURED = ["overview", "groups", "callers"];
/** Longest time of each, s. */
const TARGET_S = { sqlite: 5, postgres: 3 };

/** A column of the nth call, as SQL of `n`. */
const COLUMNS: Readonly<Record<string, string>> = {
  request_id: "'req_0000000000000000000000' || cast(1000000000 + n as text)",
  ts: `cast(${MONDAY} as bigint) + cast(n as bigint) * 604`,
  settled_at: `cast(${MONDAY} as bigint) + cast(n as bigint) * 604 + 900`,
  status: "case n % 50 when 7 then 502 when 9 then 429 else 200 end",
  caller_id: "'caller-' || cast(n % 50 as text)",
  caller_user: "'user-' || cast(n % 20 as text)",
  caller_project: "'project-' || cast(n % 10 as text)",
  caller_environment: "'prod'",
  token_id: "'k' || cast(n % 50 as text)",
  client: "'openai-python'",
  client_request_id: "'client-' || cast(n as text)",
  conversation_key: "'ck_' || cast(100000000 + n % 20000 as text)",
  endpoint: "'chat'",
  inbound_dialect: "'openai-chat'",
  requested_model: "'fast'",
  resolved_group: "'group-' || cast(n % 7 as text)",
  strategy: "'failover'",
  target_provider: "'provider-' || cast(n % 4 as text)",
  target_model: "'model-' || cast(n % 9 as text)",
  key_state: "'active'",
  quota_state: "'ok'",
  replica: "'gateway-0'",
  router_version: "'1.0.0'",
  routing_config_fingerprint: "'3f9a01c288c1d0aa3f9a01c288c1d0aa'",
  pricing_catalog_fingerprint: "'88c1d0aa3f9a01c288c1d0aa3f9a01c2'",
  cache: "'bypass'",
  usage_source: "'upstream'",
  attempts: "1",
  latency_ms: "cast((cast(n as bigint) * 7919) % 30011 as int)",
  overhead_us: "210",
  ttft_ms: "190 + n % 400",
  upstream_duration_ms: "300 + n % 4000",
  input_tokens: "812 + n % 100",
  cached_input_tokens: "512",
  output_tokens: "120",
  total_tokens: "932 + n % 100",
  reasoning_tokens: "40",
  input_price_per_million_nusd: "1250000000",
  input_cost_nusd: "375000",
  output_cost_nusd: "1195000",
  total_cost_nusd: "case n % 100 when 3 then null else 1890000 end",
  other_attempts_cost_nusd: "0",
};

async function fill(db: UsageDatabase): Promise<void> {
  const names = Object.keys(COLUMNS).join(", ");
  const values = Object.values(COLUMNS).join(", ");
  for (let from = 0; from < CALLS; from += BATCH) {
    await db.query(
      `WITH RECURSIVE numbers(n) AS (SELECT ${from} UNION ALL SELECT n + 1 FROM numbers ` +
        `WHERE n + 1 < ${from + BATCH}) ` +
        `INSERT INTO request_usage (${names}) SELECT ${values} FROM numbers`,
    );
  }
}

/** Fills a new database and prints how long each section takes, from the reader a command uses. */
async function measure(place: DatabasePlace): Promise<void> {
  {
    await using db = await openDatabase(place, "write");
    await migrate(db, { migrations, routerVersion: "bench", now: Date.now });
    const began = performance.now();
    await fill(db);
    if (place.driver === "postgres") await db.query("VACUUM ANALYZE request_usage");
    console.log(`${place.driver}: ${CALLS} calls written in ${since(began).toFixed(1)} s`);
  }
  await using db = await openDatabase(place, "read");
  for (const report of sections.filter(({ id }) => MEASURED.includes(id))) {
    const times: number[] = [];
    for (let round = 0; round < ROUNDS; round += 1) {
      const began = performance.now();
      await report.query(db, filterOf());
      times.push(since(began));
    }
    const time = median(times);
    const verdict = time < TARGET_S[place.driver] ? "ok" : "TOO SLOW";
    console.log(`  ${report.id.padEnd(12)}${time.toFixed(2).padStart(6)} s  ${verdict}`);
  }
}

function since(began: number): number {
  return (performance.now() - began) / 1_000;
}

async function measureSqlite(): Promise<void> {
  using place = makePlace();
  const sqlite = { driver: "sqlite", path: join(place.folder, "usage.sqlite"), dsn: null } as const;
  await measure(sqlite);
  await measureBesideReports(sqlite.path, new Date(MONDAY).toISOString());
  await measurePurge(sqlite, Date.now());
}

async function measurePostgres(): Promise<void> {
  await using server = await startPostgres();
  const postgres = { driver: "postgres", path: "", dsn: await server.database() } as const;
  await measure(postgres);
  await measurePurge(postgres, Date.now());
}

if (import.meta.main) {
  const [only] = Deno.args;
  if (only !== "postgres") await measureSqlite();
  if (only !== "sqlite") await measurePostgres();
}
