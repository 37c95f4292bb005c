import { dirname } from "node:path";
import { tokenDigestHex } from "@/core/tokens.ts";
import { median, spread } from "./measure.ts";
import { startConfigured, startMock, TOKEN, writeConfig } from "./processes.ts";
import { steady } from "./steady.ts";

/** Calls a second that leave a machine of two cores room for a report beside them. */
const RPS = 200;
const SECONDS = 4;
const ROUNDS = 5;
const LAG_RPS = 2_000;
const LAG_SECONDS = 10;

const MAIN = new URL("../../main.ts", import.meta.url).pathname;

/** Latencies of a gateway while reports over its database run, against those without. */
export async function measureBesideReports(database: string, from: string): Promise<void> {
  const dir = dirname(database);
  await using mock = await startMock();
  const config = await writeConfig(configText(mock.url, database), dir);
  await using gateway = await startConfigured(config);
  await steady(gateway.url, RPS, 2);
  const ratios: number[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    const alone = await steady(gateway.url, RPS, SECONDS);
    const report = spawnReport(database, from);
    const beside = await steady(gateway.url, RPS, SECONDS);
    await report.stop();
    ratios.push(beside.p99 / alone.p99);
  }
  const shown = `${median(ratios).toFixed(2)} (${spread(ratios)})`;
  console.log(`  p99 at ${RPS} rps while reports run, against without: ${shown}`);
  await measureLag(gateway.url);
}

/** How far the database is behind the journal under a steady load. */
async function measureLag(url: string): Promise<void> {
  const lags: number[] = [];
  const looking = setInterval(async () => {
    const headers = { authorization: `Bearer ${TOKEN}` };
    const page = await (await fetch(`${url}/metrics`, { headers })).text();
    const [, lag] = /^pointsman_journal_lag_seconds (\S+)$/m.exec(page) ?? [];
    lags.push(Number(lag));
  }, 250);
  const { p50, failed } = await steady(url, LAG_RPS, LAG_SECONDS);
  clearInterval(looking);
  const most = Math.max(...lags).toFixed(2);
  console.log(
    `  lag at ${LAG_RPS} rps: at most ${most} s (p50 ${p50.toFixed(1)} ms, ${failed} failed)`,
  );
}

/** Runs reports over the whole week again and again, in a process of their own as commands do. */
function spawnReport(database: string, from: string) {
  const words = ["report", "overview", "groups", "callers", "--db", database, "--from", from];
  let child: Deno.ChildProcess | null = null;
  let stopped = false;
  const running = (async () => {
    while (!stopped) {
      child = new Deno.Command(Deno.execPath(), {
        args: ["run", "-A", "--no-check", MAIN, ...words],
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
