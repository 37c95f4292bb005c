import assert from "node:assert/strict";
import { randomFrom } from "@/core/random.ts";
import { wait } from "@/core/wait.ts";
import type { DatabasePlace } from "@/storage/database.ts";
import { openDatabase } from "@/storage/open_database.ts";
import { startCutProxy } from "../cut_proxy.ts";
import {
  CALL_PATH,
  caller,
  type ConfigOptions,
  journalRows,
  type Loose,
  startTestGateway,
  type TestGateway,
  TOKEN,
} from "../gateway.ts";
import { call, metricsOf } from "../gateway_client.ts";
import { makeFolder, spawnGateway } from "../gateway_process.ts";
import { connectRaw, requestHead } from "../gateway_raw.ts";
import { startPostgres } from "../postgres.ts";
import { sampleRequest, startUpstream } from "../upstream.ts";
import { createMeter, type Meter, type StreamEnd } from "./metered_upstream.ts";

const KILLS = 10;
const LANES = 6;
const OUTAGE_MS = 60_000;
/** A caller that waits this long between its calls during the outage. */
const PACE_MS = 50;
const STREAMS = 1_000;
const AT_ONCE = 25;

/** A call as the database has it, with the id its provider gave the answer. */
const ROWS =
  "SELECT u.*, a.upstream_request_id FROM request_usage AS u JOIN request_attempts AS a " +
  "USING (request_id) ORDER BY u.request_id";

async function rowsOf(place: DatabasePlace): Promise<Loose[]> {
  await using db = await openDatabase(place, "read");
  return await db.query(ROWS);
}

/** One row a call, tokens as the upstream sent them, and costs that come out of the row itself. */
function assertExact(rows: readonly Loose[], { sent }: Meter, answered: ReadonlySet<string>): void {
  const ids = new Set(rows.map(({ request_id }) => String(request_id)));
  assert.equal(ids.size, rows.length, "no call has two rows");
  assert.deepEqual([...answered].filter((id) => !ids.has(id)), [], "no call lacks its row");
  const told = rows.flatMap(({ upstream_request_id: id }) => id ? [id] : []);
  assert.equal(new Set(told).size, told.length, "no answer is charged twice");
  for (const row of rows) {
    if (row["status"] !== 200n) continue;
    const { input, output } = sent.get(row["upstream_request_id"])!;
    assert.deepEqual([row["input_tokens"], row["output_tokens"]], [BigInt(input), BigInt(output)]);
    assertCost(row);
  }
}

/** The amounts of a row by its own tokens and prices. */
function assertCost(row: Loose): void {
  const cost = (tokens: string, price: string) =>
    (BigInt(row[tokens]) * BigInt(row[price]) + 500_000n) / 1_000_000n;
  const input = cost("input_tokens", "input_price_per_million_nusd");
  const output = cost("output_tokens", "output_price_per_million_nusd");
  const stored = [row["input_cost_nusd"], row["output_cost_nusd"], row["total_cost_nusd"]];
  assert.deepEqual(stored.map(BigInt), [input, output, input + output]);
}

/** Makes calls until the gateway is gone; tells of each that was answered to its end. */
async function load(url: string, lane: number, answered: (id: string) => void): Promise<void> {
  for (let turn = lane;; turn++) {
    try {
      const answer = await call(url, "openai-chat", { stream: turn % 2 === 0 });
      if (turn % 2 === 0 ? answer.text.includes("[DONE]") : answer.status === 200) {
        answered(answer.id);
      }
    } catch {
      return;
    }
  }
}

/** Kills a gateway again and again under load; each start goes on with what the one before left. */
async function killAgainAndAgain(
  seed: number,
  options: ConfigOptions,
  place: DatabasePlace | null,
) {
  const meter = createMeter();
  const random = randomFrom(seed);
  await using upstream = await startUpstream(meter.behaviour);
  await using folder = await makeFolder({ ...options, upstreams: [upstream.url] });
  const answered = new Set<string>();
  for (let round = 0; round < KILLS; round++) {
    await using gateway = await spawnGateway(folder.dir);
    const enough = answered.size + 1 + Math.floor(random() * 100);
    await Promise.all(Array.from({ length: LANES }, (_, lane) =>
      load(gateway.url, lane, (id) => {
        answered.add(id);
        if (answered.size === enough) gateway.kill("SIGKILL");
      })));
    assert(answered.size >= enough);
  }
  {
    await using gateway = await spawnGateway(folder.dir);
    gateway.kill("SIGTERM");
    assert.equal(await gateway.ended, 0, gateway.output());
  }
  const rows = await rowsOf(place ?? sqliteIn(folder.dir));
  assert.equal(rows.length, journalRows(folder.dir).length, "rows are lines");
  assert(rows.length <= upstream.requests.length);
  assertExact(rows, meter, answered);
}

const sqliteIn = (dir: string): DatabasePlace => ({
  driver: "sqlite",
  path: `${dir}/state/usage.sqlite`,
  dsn: null,
});

/** A Postgres server that a gateway reaches over TCP. */
async function startDatabase() {
  const server = await startPostgres();
  const proxy = startCutProxy(server.socket);
  const dsn = await server.database();
  const name = /^postgres:\/\/\/(\w+)/.exec(dsn)![1]!;
  const usage_db = {
    driver: "postgres",
    dsn: `postgres://test@127.0.0.1:${proxy.port}/${name}`,
    migration_policy: "auto-safe",
  };
  return {
    server,
    place: { driver: "postgres", path: "", dsn } as const,
    usage_db,
    async [Symbol.asyncDispose]() {
      await proxy[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
    },
  };
}

async function killOnPostgres(): Promise<void> {
  await using database = await startDatabase();
  const options = { upstreams: [], server: { usage_db: database.usage_db } };
  await killAgainAndAgain(1, options, database.place);
}

/** Postgres goes away under load for a minute: no caller hears of it, and nothing is missing. */
async function survivesOutage(): Promise<void> {
  const meter = createMeter();
  await using upstream = await startUpstream(meter.behaviour);
  await using database = await startDatabase();
  await using folder = await makeFolder({
    upstreams: [upstream.url],
    server: { usage_db: database.usage_db },
    callers: [caller("ci", TOKEN, { metrics_admin: true })],
  });
  await using gateway = await spawnGateway(folder.dir);
  const answered = new Set<string>();
  let loading = true;
  const callers = (async () => {
    while (loading) {
      const answer = await call(gateway.url, "openai-chat", { stream: answered.size % 2 === 0 });
      assert.equal(answer.status, 200, answer.text);
      answered.add(answer.id);
      await wait(PACE_MS);
    }
  })();
  const metric = async (name: string) =>
    (await metricsOf(gateway.url, TOKEN)).get(`pointsman_${name}`)!.samples[0]!.value;
  while (answered.size < 20) await wait(PACE_MS);
  await database.server.crash();
  await wait(OUTAGE_MS);
  assert.equal(await metric("usage_db_up"), 0);
  assert(await metric("journal_lag_seconds") >= OUTAGE_MS / 1_000 - 1);
  assert.equal((await (await fetch(`${gateway.url}/readyz`)).json()).status, "ready");
  await database.server.start();
  // Who asks for totals need not wait for the next try of the shipper.
  const headers = { authorization: `Bearer ${TOKEN}` };
  while (await metric("usage_db_up") === 0) {
    await (await fetch(`${gateway.url}/v1/usage`, { headers })).body?.cancel();
    await wait(PACE_MS);
  }
  loading = false;
  await callers;
  while (await metric("journal_lag_seconds") > 0) await wait(PACE_MS);
  gateway.kill("SIGTERM");
  assert.equal(await gateway.ended, 0, gateway.output());
  const rows = await rowsOf(database.place);
  assert.equal(rows.length, upstream.requests.length);
  assertExact(rows, meter, answered);
}

/** Makes many calls, some at once. */
async function inLanes(calls: number, make: (ordinal: number) => Promise<void>): Promise<void> {
  let next = 0;
  await Promise.all(Array.from({ length: AT_ONCE }, async () => {
    while (next < calls) await make(next++);
  }));
}

/** A stream of some frames that its caller leaves when it has them all. */
async function leave(gateway: TestGateway, meter: Meter, ordinal: number): Promise<void> {
  const frames = ordinal % 7;
  const user = `${frames}:silence:${ordinal}`;
  const body = JSON.stringify({
    ...sampleRequest("openai-chat", { model: "fast", stream: true }),
    user,
  });
  const headers = { authorization: `Bearer ${TOKEN}`, "content-length": String(body.length) };
  using connection = await connectRaw(gateway.url);
  await connection.write(requestHead(`POST ${CALL_PATH["openai-chat"]}`, headers) + body);
  await meter.arrival(user);
  if (frames > 0) await connection.until(new RegExp(`(data: [^]*){${frames}}\n\n`));
}

const BREAKS: readonly StreamEnd[] = ["reset", "close", "half-frame"];

/** A thousand streams that callers leave, and a thousand that break at the provider. */
async function countsAbortedStreams(): Promise<void> {
  const meter = createMeter();
  await using upstream = await startUpstream(meter.behaviour);
  await using gateway = await startTestGateway({ upstreams: [upstream.url] });
  await inLanes(STREAMS, (ordinal) => leave(gateway, meter, ordinal));
  await inLanes(STREAMS, async (ordinal) => {
    const body = { user: `${ordinal % 7}:${BREAKS[ordinal % BREAKS.length]}` };
    await call(gateway.url, "openai-chat", { stream: true, body });
  });
  assert.equal(upstream.requests.length, 2 * STREAMS);
  const rows = await gateway.settled(2 * STREAMS);
  assert.equal(new Set(rows.map(({ request_id }) => request_id)).size, 2 * STREAMS);
  const statuses = Map.groupBy(rows, ({ status }) => Number(status));
  assert.deepEqual(
    [499, 502].map((status) => statuses.get(status)?.length),
    [STREAMS, STREAMS],
  );
  for (const row of rows) {
    const [attempt] = row["request_attempts"];
    const reported = meter.sent.get(attempt.upstream_request_id) ?? { input: 0, output: 0 };
    assert.deepEqual(
      [row["input_tokens"], row["output_tokens"], row["partial"]],
      [reported.input, reported.output, reported.output > 0 ? 1 : 0],
      `${row["status"]} ${attempt.upstream_request_id}`,
    );
    if (reported.output > 0) assertCost(row);
  }
  const database = await gateway.usageRows();
  assert.deepEqual(
    database.map(({ request_id, total_tokens }) => [request_id, total_tokens]).toSorted(),
    rows.map(({ request_id, total_tokens }) => [request_id, total_tokens]).toSorted(),
  );
}

const APART = { sanitizeOps: false, sanitizeResources: false, sanitizeExit: false };

// They run side by side: the outage is a minute of waiting.
Deno.test({
  name: "records are exact whatever goes wrong",
  ...APART,
  async fn(t) {
    const step = (name: string, fn: () => Promise<void>) => t.step({ name, fn, ...APART });
    const outage = step("Postgres is away for a minute under load", survivesOutage);
    await step(
      "kill -9 again and again, on SQLite",
      () => killAgainAndAgain(2, { upstreams: [] }, null),
    );
    await step("kill -9 again and again, on Postgres", killOnPostgres);
    await step("streams that callers leave or providers break", countsAbortedStreams);
    await outage;
  },
});
