import assert from "node:assert/strict";
import { caller, type ConfigOptions, journalRows, TOKEN, writeFolder } from "../gateway.ts";
import { call } from "../gateway_client.ts";
import { type GatewayProcess, makeFolder, spawnGateway } from "../gateway_process.ts";
import { burst, LIMITS, OUTPUT, usageOf, USED } from "../limited_calls.ts";
import { until } from "../until.ts";
import { after, startUpstream, type TestUpstream } from "../upstream.ts";
import { saidOften, workerPid } from "../workers.ts";

const WORKERS = 4;
const tokenOf = (place: number) => TOKEN.replace(/.$/, String(place));

function optionsOf(
  upstream: TestUpstream,
  callers: ConfigOptions["callers"],
  workers = WORKERS,
): ConfigOptions {
  return {
    upstreams: [upstream.url],
    targets: [{ input_price_per_million_usd: 0, output_price_per_million_usd: 20 }],
    server: { workers },
    ...callers ? { callers } : {},
  };
}

Deno.test("four workers never pass a limit, and use it up", async () => {
  await using upstream = await startUpstream(USED);
  const callers = LIMITS.map(({ limits }, place) => caller(`c${place}`, tokenOf(place), limits));
  await using folder = await makeFolder(optionsOf(upstream, callers));
  await using gateway = await spawnGateway(folder.dir);
  let sent = 0;
  for (const [place, { name, fits, error }] of LIMITS.entries()) {
    const counts = await burst([gateway.url], 200, { token: tokenOf(place) });
    const admitted = counts.get("ok") ?? 0;
    const told = `${name}: ${JSON.stringify([...counts])}`;
    // Settled calls give back the input that was reserved: a few more fit than at once.
    assert(admitted <= fits + (name.includes("0,000") ? 6 : 0), told);
    assert(admitted >= 0.95 * fits, told);
    assert.equal(admitted + (counts.get(error) ?? 0), 200, told);
    sent += admitted;
  }
  assert.equal(upstream.requests.length, sent);
  assert.equal(journalRows(folder.dir).length, 200 * LIMITS.length);
});

Deno.test("four workers never run more than concurrent 20 at a time, also when one is killed", async () => {
  const go = Promise.withResolvers<void>();
  await using upstream = await startUpstream(after(go.promise, USED));
  const limited = caller("ci", TOKEN, { rate: { concurrent: 20 } });
  await using folder = await makeFolder(optionsOf(upstream, [limited]));
  await using gateway = await spawnGateway(folder.dir);
  const counts = await burst([gateway.url], 200, {
    each: (refused) => void (refused === 180 && go.resolve()),
  });
  assert.deepEqual(Object.fromEntries(counts), { "ok": 20, "concurrency-exceeded": 180 });
  Deno.kill(workerPid(gateway, 2), "SIGKILL");
  await saidOften(gateway, "worker_started", WORKERS + 1);
  await until(async () => (await usageOf(gateway.url)).rate.concurrent.used === 0);
  assert.equal((await burst([gateway.url], 8)).get("ok"), 8);
});

Deno.test("a worker tells when a minute has room again, whoever used it up", async () => {
  await using upstream = await startUpstream(USED);
  const limited = caller("ci", TOKEN, { rate: { rpm: 6 } });
  await using folder = await makeFolder(optionsOf(upstream, [limited], 2));
  await using gateway = await spawnGateway(folder.dir);
  const once = { headers: { connection: "close" } };
  for (let admitted = 0; admitted < 6; admitted++) {
    const { status, headers } = await call(gateway.url, "openai-chat", once);
    assert.equal(status, 200);
    assert.match(headers.get("x-ratelimit-reset-requests") ?? "", /^(1m\ds|5\ds)$/);
  }
  for (let refused = 0; refused < 6; refused++) {
    const { status, headers } = await call(gateway.url, "openai-chat", once);
    assert.equal(status, 429);
    const seconds = Number(headers.get("retry-after"));
    assert(seconds > 50 && seconds <= 63, `${seconds} s`);
  }
  const { reset_ms: resetMs } = (await usageOf(gateway.url)).rate.rpm;
  assert(resetMs > 50_000 && resetMs <= 63_000, `${resetMs} ms`);
});

Deno.test("workers killed halfway never let a caller past its day", async () => {
  await using upstream = await startUpstream(USED);
  const limited = caller("ci", TOKEN, { quota: { day: { requests: 100 } } });
  await using folder = await makeFolder(optionsOf(upstream, [limited]));
  await using gateway = await spawnGateway(folder.dir);
  let admitted = 0;
  for (let round = 0; round < WORKERS; round++) {
    const killed = workerPid(gateway, round);
    const answers = Array.from(
      { length: 60 },
      () => burst([gateway.url], 1).then((counts) => admitted += counts.get("ok") ?? 0, () => {}),
    );
    await Promise.race(answers);
    Deno.kill(killed, "SIGKILL");
    await Promise.all(answers);
    await saidOften(gateway, "worker_started", WORKERS + 1 + round);
  }
  assert(admitted <= 100, `${admitted} calls`);
  const rows = journalRows(folder.dir).filter(({ status }) => status === 200);
  assert(rows.length <= 100, `${rows.length} rows`);
  assert((await usageOf(gateway.url)).quota.day.requests.used <= 100);
});

Deno.test("what was used stands when workers take over from one process, and back, also without state", async () => {
  await using upstream = await startUpstream(USED);
  const limits = {
    rate: { rpm: 100 },
    quota: { day: { requests: 10, cost_usd: 5 }, month: { tokens: 900_000 } },
    key: { lifetime_tokens: 900_000 },
  };
  const options = (workers: number) => optionsOf(upstream, [caller("ci", TOKEN, limits)], workers);
  await using folder = await makeFolder(options(1));
  let used = 0;
  const signals = ["SIGKILL", "SIGKILL", "SIGTERM", "SIGTERM", "SIGKILL"] as const;
  for (const [round, workers] of [1, 3, 1, 2, 1].entries()) {
    writeFolder(folder.dir, options(workers));
    if (round >= 3) removeState(folder.dir);
    await using gateway = await spawnGateway(folder.dir);
    await stands(gateway, used);
    assert.equal((await burst([gateway.url], 2)).get("ok"), 2);
    used += 2;
    await stands(gateway, used);
    if (used === 10) assert.equal((await burst([gateway.url], 1)).get("quota-exhausted"), 1);
    gateway.kill(signals[round]!);
    await gateway.ended;
  }
});

function removeState(dir: string): void {
  for (const { name } of Deno.readDirSync(`${dir}/state`)) {
    if (/^router\.kv(-\w+)?$/.test(name)) Deno.removeSync(`${dir}/state/${name}`);
  }
}

/** What one or all processes tell is what was used. */
async function stands(gateway: GatewayProcess, used: number): Promise<void> {
  await until(async () => {
    const { rate, quota } = await usageOf(gateway.url);
    return quota.day.requests.used === used && quota.month.tokens.used === used * OUTPUT &&
      quota.lifetime.tokens.used === used * OUTPUT && rate.rpm.used === used &&
      Math.round(quota.day.cost_usd.used * 100) === used;
  });
}
