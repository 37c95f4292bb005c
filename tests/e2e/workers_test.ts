import assert from "node:assert/strict";
import { holdAddress } from "@/core/server.ts";
import { sumOf } from "../exposition.ts";
import {
  caller,
  type ConfigOptions,
  databaseRows,
  DIALECTS,
  ECHO,
  journalRows,
  testConfig,
  TOKEN,
  writeConfig,
} from "../gateway.ts";
import { call, metricsOf, readAnswer, send } from "../gateway_client.ts";
import { makeFolder, runServe, spawnGateway } from "../gateway_process.ts";
import { until } from "../until.ts";
import { sampleReply, startUpstream } from "../upstream.ts";
import { saidOften, told, workerPid } from "../workers.ts";
import { gated, upToContent } from "./behaviours.ts";

const TWO_WORKERS: ConfigOptions = {
  ...ECHO,
  server: { workers: 2 },
  callers: [caller("ci", TOKEN, { metrics_admin: true })],
};

Deno.test("workers that are killed under load are replaced, and every answered call has one row", async () => {
  await using folder = await makeFolder(TWO_WORKERS);
  await using gateway = await spawnGateway(folder.dir);
  const answered = new Set<string>();
  let loading = true;
  const loads = Array.from({ length: 6 }, async (_, lane) => {
    for (let turn = lane; loading; turn++) {
      const stream = turn % 2 === 0;
      try {
        const answer = await call(gateway.url, DIALECTS[turn % 3]!, { stream });
        const whole = !stream || /\[DONE\]|response\.completed|message_stop/.test(answer.text);
        if (answer.status === 200 && whole) answered.add(answer.id);
      } catch {
        // Its worker was killed.
      }
    }
  });
  let seen = 0;
  for (let kill = 0; kill < 4; kill++) {
    const enough = answered.size + 25;
    await until(() => answered.size >= enough);
    const counted = await requests(gateway.url);
    assert(counted >= seen, `${counted} calls were ${seen}`);
    seen = counted;
    Deno.kill(workerPid(gateway, kill % 2), "SIGKILL");
    await saidOften(gateway, "worker_started", 3 + kill);
    assert(await requests(gateway.url) >= seen, "what was told once is never forgotten");
  }
  loading = false;
  await Promise.all(loads);
  const metrics = await metricsOf(gateway.url, TOKEN);
  assert.equal(sumOf(metrics, "pointsman_worker_restarts_total"), 4);
  gateway.kill("SIGTERM");
  assert.equal(await gateway.ended, 0);
  for (const rows of [journalRows(folder.dir), databaseRows(folder.dir)]) {
    const ids = rows.map(({ request_id }) => String(request_id));
    assert.equal(new Set(ids).size, ids.length, "no call has two rows");
    assert.deepEqual([...answered].filter((id) => !ids.includes(id)), []);
  }
});

Deno.test("lines of workers wait until they are shipped, and no longer", async () => {
  await using folder = await makeFolder(TWO_WORKERS);
  await using gateway = await spawnGateway(folder.dir);
  const waiting = async () => {
    const metrics = await metricsOf(gateway.url, TOKEN);
    return ["unshipped_bytes", "lag_seconds"].map((name) =>
      sumOf(metrics, `pointsman_journal_${name}`)
    );
  };
  // Each is shipped before the next one comes: to the supervisor nothing ever seems to wait.
  for (let turn = 0; turn < 3; turn++) {
    await call(gateway.url, "openai-chat");
    await until(() => databaseRows(folder.dir).length > turn);
    await until(async () => (await waiting()).every((number) => number === 0));
  }
});

async function requests(url: string): Promise<number> {
  return sumOf(await metricsOf(url, TOKEN), "pointsman_requests_total");
}

Deno.test("a port that the system chose is nobody else's until the workers listen there", async () => {
  const anywhere = { hostname: "127.0.0.1", port: 0 };
  const held = holdAddress(anywhere);
  assert.throws(() => Deno.listen(held.address), Deno.errors.AddrInUse);
  assert.throws(() => holdAddress(held.address), /Cannot listen on 127.0.0.1:\d+: /);
  await using server = Deno.serve(
    { ...held.address, reusePort: true, onListen: () => {} },
    () => new Response("served"),
  );
  held[Symbol.dispose]();
  for (let turn = 0; turn < 20; turn++) {
    const response = await fetch(`http://127.0.0.1:${server.addr.port}`);
    assert.equal(await response.text(), "served", "nobody takes connections and does not serve");
  }
  assert.throws(() => holdAddress(held.address), /Cannot listen on/);
});

Deno.test("worker that hangs is replaced, and its numbers are kept", async () => {
  await using folder = await makeFolder(TWO_WORKERS);
  await using gateway = await spawnGateway(folder.dir);
  for (let turn = 0; turn < 20; turn++) await call(gateway.url, "anthropic");
  assert.equal(await requests(gateway.url), 20, "any process answers with the sum");
  const hanging = workerPid(gateway, 0);
  Deno.kill(hanging, "SIGSTOP");
  await gateway.said(/"event":"worker_ended".*"signal":"SIGKILL"/);
  await saidOften(gateway, "worker_started", 3);
  assert.notEqual(workerPid(gateway, 0), hanging);
  assert.equal(await requests(gateway.url), 20);
  assert.equal((await call(gateway.url, "anthropic")).status, 200);
});

Deno.test("reload reaches every worker, and one that starts later", async () => {
  await using folder = await makeFolder(TWO_WORKERS);
  await using gateway = await spawnGateway(folder.dir);
  const before = await fingerprints(gateway.url);
  assert.equal(before.length, 1);
  const groups = { more: { targets: [{ provider: "anthropic", model: "echo" }] } };
  writeConfig(folder.dir, testConfig({ ...TWO_WORKERS, models: groups }));
  await gateway.said(/config_reloaded/);
  await until(async () => {
    const now = await fingerprints(gateway.url);
    return now.length === 1 && now[0] !== before[0];
  });
  const reloaded = await fingerprints(gateway.url);
  Deno.writeTextFileSync(`${folder.dir}/config.yaml`, "providers: {}\nmodles: {}\n");
  await gateway.said(/config_rejected.*modles.*did you mean/);
  Deno.kill(workerPid(gateway, 1), "SIGKILL");
  await saidOften(gateway, "worker_started", 3);
  assert.deepEqual(await fingerprints(gateway.url), reloaded, "what is broken reaches nobody");
  assert.equal(told(gateway, "config_reloaded"), 1, "the supervisor alone tells of it");
});

/** Of the configurations that are in force. */
async function fingerprints(url: string): Promise<readonly (string | undefined)[]> {
  const family = (await metricsOf(url, TOKEN)).get("pointsman_config_info");
  return family!.samples.map(({ labels }) => labels["fingerprint"]);
}

Deno.test("workers let streams end within the grace after SIGTERM", async () => {
  const stream = await sampleReply("openai-chat", { stream: true });
  const release = Promise.withResolvers<void>();
  const begun = new TextEncoder().encode(upToContent(stream)).length;
  await using upstream = await startUpstream(gated(stream, begun, release.promise));
  await using folder = await makeFolder({
    upstreams: [upstream.url],
    server: { workers: 2, shutdown_grace_ms: 10_000 },
  });
  await using gateway = await spawnGateway(folder.dir);
  const responses = await Promise.all(
    Array.from({ length: 12 }, () =>
      send(gateway.url, "openai-chat", {
        stream: true,
        body: { stream_options: { include_usage: true } },
      })),
  );
  gateway.kill("SIGTERM");
  await saidOften(gateway, "drain_started", 2);
  await assert.rejects(fetch(`${gateway.url}/healthz`), "nobody new gets in");
  release.resolve();
  const texts = (await Promise.all(responses.map(readAnswer))).map(({ text }) => text);
  assert.deepEqual(new Set(texts), new Set([new TextDecoder().decode(stream)]));
  assert.equal(await gateway.ended, 0);
  assert.deepEqual(databaseRows(folder.dir).map(({ status }) => status), Array(12).fill(200));
});

Deno.test("workers cut their calls at the second signal, and settle them", async () => {
  const stream = await sampleReply("anthropic", { stream: true });
  const begun = new TextEncoder().encode(upToContent(stream)).length;
  await using upstream = await startUpstream(gated(stream, begun, new Promise(() => {})));
  await using folder = await makeFolder({
    upstreams: [upstream.url],
    server: { workers: 2, shutdown_grace_ms: 600_000 },
  });
  await using gateway = await spawnGateway(folder.dir);
  const response = await send(gateway.url, "anthropic", { stream: true });
  gateway.kill("SIGTERM");
  await gateway.said(/"event":"drain_started".*"calls":1/);
  gateway.kill("SIGTERM");
  assert.match((await readAnswer(response)).text, /shutting-down/);
  assert.equal(await gateway.ended, 0);
  assert.deepEqual(databaseRows(folder.dir).map(({ status }) => status), [503]);
});

Deno.test("workers end with a supervisor that is killed, and the next one starts on their state", async () => {
  await using folder = await makeFolder(TWO_WORKERS);
  const pids: number[] = [];
  {
    await using gateway = await spawnGateway(folder.dir);
    pids.push(workerPid(gateway, 0), workerPid(gateway, 1));
    assert.equal((await call(gateway.url, "anthropic")).status, 200);
    gateway.kill("SIGKILL");
    await gateway.ended;
  }
  await using gateway = await spawnGateway(folder.dir);
  assert.equal((await call(gateway.url, "anthropic")).status, 200);
  await until(() => Promise.resolve(pids.every((pid) => !lives(pid))));
  assert.equal(journalRows(folder.dir).length, 2);
});

function lives(pid: number): boolean {
  try {
    Deno.kill(pid, "SIGCONT");
    return true;
  } catch {
    return false;
  }
}

Deno.test("gateway does not start on state or a port that another one's workers use", async () => {
  await using folder = await makeFolder(TWO_WORKERS);
  await using gateway = await spawnGateway(folder.dir);
  const other = testConfig({ ...TWO_WORKERS, server: { workers: 3 } });
  writeConfig(folder.dir, other, "other.yaml");
  const beside = await runServe(folder.dir, ["serve", "--config", `${folder.dir}/other.yaml`]);
  assert.equal(beside.code, 1);
  assert.match(beside.output, /Cannot open the state .*another gateway uses it/);
  await using elsewhere = await makeFolder({
    ...TWO_WORKERS,
    server: { workers: 2, listen: new URL(gateway.url).host },
  });
  const taken = await runServe(elsewhere.dir);
  assert.equal(taken.code, 1);
  assert.match(taken.output, /Cannot listen on 127\.0\.0\.1:\d+.*in use/);
});

Deno.test("start of workers that cannot serve says why, once, and leaves none behind", async () => {
  // The journal that is broken here could not be shipped either, and shipping is waited for.
  const server = { workers: 2, usage_db: { enabled: false } };
  await using folder = await makeFolder({ ...TWO_WORKERS, server });
  Deno.mkdirSync(`${folder.dir}/state/journal`, { recursive: true });
  Deno.mkdirSync(`${folder.dir}/state/journal/events.1.jsonl`);
  const { code, output } = await runServe(folder.dir);
  assert.equal(code, 1);
  assert.equal(output.match(/Cannot open the journal/g)?.length, 1, output);
});
