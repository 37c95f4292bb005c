import { join } from "node:path";
import type { CallRecord, Row } from "../../core/record.ts";
import type { DatabasePlace } from "../../storage/database.ts";
import { openDatabase } from "../../storage/open_database.ts";
import { openJournal } from "../../storage/journal.ts";
import { migrate } from "../../storage/migrate.ts";
import { migrations } from "../../storage/migrations/mod.ts";
import { createShipper } from "../../storage/shipper.ts";
import { startPostgres } from "../postgres.ts";
import { makePlace, type Place, requestId } from "../storage_fixture.ts";

/** Calls that are written to the journal, and then shipped by each driver. */
const CALLS = 20_000;
/** The shipping of a driver is stopped here, ms. */
const LONGEST_MS = 60_000;

/** A call as the gateway writes it: its row, one attempt, one shape. */
function call(n: number): CallRecord {
  const ts = 1_763_640_000_000 + n;
  const prices = { input_price_per_million_nusd: 1_250_000_000, pricing_source: "config" };
  const target = { target_provider: "acme", target_model: `swift-${n % 7}`, target_index: n % 3 };
  const labels: Row = {
    caller_id: `caller-${n % 50}`,
    caller_user: "ada",
    caller_project: `project-${n % 10}`,
    caller_environment: "prod",
    token_id: "k1",
    client: "openai-python",
    client_request_id: `client-${n}`,
    conversation_key: `ck_${String(n % 2_000).padStart(32, "0")}`,
    endpoint: "chat",
    inbound_dialect: "openai-chat",
    requested_model: "fast",
    resolved_group: "fast",
    strategy: "failover",
    key_state: "active",
    quota_state: "ok",
    caller_ip: "10.1.2.3",
    replica: "gateway-0",
    router_version: "1.0.0",
    routing_config_fingerprint: "3f9a01c288c1d0aa3f9a01c288c1d0aa",
    pricing_catalog_fingerprint: "88c1d0aa3f9a01c288c1d0aa3f9a01c2",
    model_group_config_fingerprint: "01c288c1d0aa3f9a01c288c1d0aa3f9a",
    served_model: "swift-2026-10",
    finish_reason: "stop",
    cache: "bypass",
    usage_source: "upstream",
  };
  const numbers: Row = {
    settled_at: ts + 900,
    attempts: 1,
    stream: n % 2,
    latency_ms: 900,
    overhead_us: 210,
    policy_us: 12,
    ttfb_ms: 180,
    ttft_ms: 190,
    upstream_ttfb_ms: 178,
    upstream_duration_ms: 890,
    downstream_duration_ms: 720,
    input_tokens: 812 + n % 100,
    cached_input_tokens: 512,
    output_tokens: 120,
    total_tokens: 932 + n % 100,
    reasoning_tokens: 40,
    charged_requests: 1,
    charged_tokens: 932,
    charged_nusd: 1_890_000,
    input_cost_nusd: 375_000,
    cached_input_cost_nusd: 320_000,
    cache_write_cost_nusd: 0,
    output_cost_nusd: 1_195_000,
    image_cost_nusd: 0,
    total_cost_nusd: 1_890_000,
    other_attempts_cost_nusd: 0,
  };
  return {
    usage: { request_id: requestId(n), ts, status: 200 },
    sections: [labels, target, prices, numbers],
    attempts: [{
      ts,
      provider: "acme",
      model: target.target_model,
      model_ref: "swift",
      dialect: "openai-chat",
      endpoint_host: "api.acme.example",
      outcome: "ok",
      selected: 1,
      duration_ms: 890,
      attempt_timeout_ms: 600_000,
      ttfb_ms: 178,
      status_code: 200,
      request_bytes: 3_300,
      response_bytes: 4_100,
      input_tokens: 812,
      output_tokens: 120,
      cost_nusd: 1_890_000,
    }],
    errors: [],
    children: {
      request_shapes: [{
        ts,
        inbound_dialect: "openai-chat",
        requested_model: "fast",
        resolved_group: "fast",
        client: "openai-python",
        tool_choice_mode: "auto",
        total_request_bytes_bucket: "1kb-16kb",
        estimated_input_tokens_bucket: "257-1k",
        stream: n % 2,
        message_count: 3,
        tool_count: 2,
      }],
    },
  };
}

/** Ships the journal of a place into a new database; gives lines and rows per second. */
async function measure(place: Place, database: DatabasePlace): Promise<string> {
  await using db = await openDatabase(database, "write");
  await migrate(db, { migrations, routerVersion: "bench", now: Date.now });
  const shipper = createShipper({
    db,
    path: place.logging.path,
    batchLines: place.usageDb.shipBatch,
    keep: null,
    now: Date.now,
    onRejected() {},
  });
  const began = performance.now();
  while (performance.now() - began < LONGEST_MS && await shipper.step());
  const seconds = (performance.now() - began) / 1_000;
  const { inserted } = shipper.counts;
  let rows = 0;
  for (const table of ["request_usage", "request_attempts", "request_shapes"]) {
    rows += Number((await db.query(`SELECT count(*) AS n FROM ${table}`))[0]?.n);
  }
  const rate = (count: number) => Math.round(count / seconds).toLocaleString("en-US").padStart(8);
  return `${database.driver.padEnd(10)}${rate(inserted)} calls/s${rate(rows)} rows/s` +
    `   (${inserted} calls, ${rows} rows, ${seconds.toFixed(1)} s)`;
}

if (import.meta.main) {
  using place = makePlace();
  const journal = openJournal(place.logging, { log: place.log, now: Date.now, shipped: true });
  for (let n = 0; n < CALLS; n += 1) journal.append(call(n));
  await journal.close();
  const lineBytes = Deno.statSync(place.logging.path).size / CALLS;
  console.log(
    `${CALLS} lines of ${Math.round(lineBytes)} bytes, ${place.usageDb.shipBatch} a batch`,
  );

  const path = join(place.folder, "usage.sqlite");
  console.log(await measure(place, { driver: "sqlite", path, dsn: null }));
  await using server = await startPostgres({ durable: true });
  const dsn = await server.database();
  console.log(await measure(place, { driver: "postgres", path: "", dsn }));
}
