import { dirname } from "node:path";
import { tokenDigestHex } from "@/core/tokens.ts";
import { median, spread } from "./measure.ts";
import { startConfigured, startMock, TOKEN, writeConfig } from "./processes.ts";
import { type Load, load, rawRequest } from "./load.ts";

/** Calls a second that leave a machine of two cores room for a report beside them. */
const RPS = 200;
const SECONDS = 4;
const ROUNDS = 5;
/** The second is as much as the machine takes, if it takes less. */
const LAG_RPS = [1_000, 2_000];
const LAG_SECONDS = 6;
/** Time between two looks at the lag, ms. */
const LOOK_MS = 100;
const CONNECTIONS = 32;

const MAIN = new URL("../../main.ts", import.meta.url).pathname;

const BODY = JSON.stringify({ model: "bench", messages: [{ role: "user", content: "Hello" }] });

/** Calls at a rate, whatever the answers take. */
function steady(url: string, rps: number, seconds: number): Promise<Load> {
  const headers = { authorization: `Bearer ${TOKEN}` };
  const request = rawRequest(`${url}/v1/chat/completions`, headers, BODY);
  return load(request, { connections: CONNECTIONS, calls: rps * seconds, rps });
}

/** Latencies of a gateway while reports over its database run, against those without. */
export async function measureBesideReports(database: string, from: string): Promise<void> {
  const dir = dirname(database);
  await using mock = await startMock();
  const config = await writeConfig(configText(mock.url, database), dir);
  await using gateway = await startConfigured(config);
  await steady(gateway.url, RPS, 2);
  for (const rps of LAG_RPS) await measureLag(gateway.url, rps);
  const ratios: number[] = [];
  const before: number[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    const alone = await steady(gateway.url, RPS, SECONDS);
    const report = spawnReport(database, from);
    const beside = await steady(gateway.url, RPS, SECONDS);
    await report.stop();
    ratios.push(beside.p99 / alone.p99);
    before.push(alone.p99);
  }
  const shown = `${median(ratios).toFixed(2)} (${spread(ratios)})`;
  const ms = `${median(before).toFixed(1)} ms`;
  console.log(`  p99 at ${RPS} rps while reports run: ${shown} of the ${ms} without`);
}

/** How far the database is behind the journal under a steady load. */
async function measureLag(url: string, asked: number): Promise<void> {
  const lags: number[] = [];
  let loading = true;
  const looking = (async () => {
    while (loading) {
      lags.push(await lagOf(url));
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    }
  })();
  const { rps, p50 } = await steady(url, asked, LAG_SECONDS);
  loading = false;
  await looking;
  const most = Math.max(...lags).toFixed(2);
  const reached = `${rps.toFixed(0)} of ${asked} rps`;
  console.log(`  lag at ${reached}: at most ${most} s (p50 ${p50.toFixed(1)} ms)`);
}

async function lagOf(url: string): Promise<number> {
  const headers = { authorization: `Bearer ${TOKEN}` };
  const page = await (await fetch(`${url}/metrics`, { headers })).text();
  return Number(/^pointsman_journal_lag_seconds (\S+)$/m.exec(page)?.[1]);
}

/** Runs reports over the whole week again and again, as an operator beside a gateway would. */
function spawnReport(database: string, from: string) {
  const words = ["report", "overview", "groups", "callers", "--db", database, "--from", from];
  let child: Deno.ChildProcess | null = null;
  let stopped = false;
  const running = (async () => {
    while (!stopped) {
      child = new Deno.Command("nice", {
        args: ["-n", "19", Deno.execPath(), "run", "-A", "--no-check", MAIN, ...words],
        stdout: "null",
        stderr: "inherit",
      }).spawn();
      await child.status;
    }
  })();
  return {
    async stop() {
      stopped = true;
      child?.kill("SIGKILL");
      await running;
    },
  };
}

function configText(upstream: string, database: string): string {
  return `server:
  listen: "127.0.0.1:0"
  usage_db: { path: ${database} }
providers:
  mock: { base_url: ${upstream}/v1, dialect: openai-chat, api_key: no-secret }
models:
  bench: { strategy: static, targets: [{ provider: mock, model: bench }] }
callers:
  - { id: bench, token_sha256: ${tokenDigestHex(TOKEN)}, allow: [bench], metrics_admin: true }
`;
}
