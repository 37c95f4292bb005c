import assert from "node:assert/strict";
import {
  caller,
  type ConfigOptions,
  type Loose,
  testConfig,
  TOKEN,
  writeConfig,
} from "../gateway.ts";
import { type GatewayProcess, makeFolder, spawnGateway } from "../gateway_process.ts";
import { burst, LIMITS, OUTPUT, usageOf, USED } from "../limited_calls.ts";
import { until } from "../until.ts";
import { after, startUpstream, type TestUpstream } from "../upstream.ts";

const PROCESSES = 4;

interface Fleet extends AsyncDisposable {
  readonly gateways: readonly GatewayProcess[];
  readonly dir: string;
}

/** Processes with journals of their own on one state file. */
async function startFleet(upstream: TestUpstream, limits: Loose): Promise<Fleet> {
  const options = (slot: number): ConfigOptions => ({
    upstreams: [upstream.url],
    targets: [{ input_price_per_million_usd: 0, output_price_per_million_usd: 20 }],
    callers: [caller("ci", TOKEN, limits)],
    server: {
      ledger: { shared: true },
      logging: { path: `./state/${slot}/requests.jsonl` },
      usage_db: { path: `./state/${slot}/usage.sqlite` },
    },
  });
  const folder = await makeFolder(options(0));
  const gateways: GatewayProcess[] = [];
  for (let slot = 0; slot < PROCESSES; slot++) {
    writeConfig(folder.dir, testConfig(options(slot)), `${slot}.yaml`);
    gateways.push(await spawnGateway(folder.dir, { config: `${slot}.yaml` }));
  }
  return {
    gateways,
    dir: folder.dir,
    async [Symbol.asyncDispose]() {
      for (const gateway of gateways) await gateway[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
}

const urls = ({ gateways }: Fleet) => gateways.map(({ url }) => url);

for (const { name, limits, fits, error } of LIMITS) {
  Deno.test(`four processes on one state never pass ${name}, and use it up`, async () => {
    await using upstream = await startUpstream(USED);
    await using fleet = await startFleet(upstream, limits);
    const counts = await burst(urls(fleet), 200);
    const admitted = counts.get("ok") ?? 0;
    const told = JSON.stringify([...counts]);
    // Settled calls give back the input that was reserved: a few more fit than at once.
    assert(admitted <= fits + (name.includes("0,000") ? 6 : 0), told);
    assert(admitted >= 0.95 * fits, told);
    assert.equal(admitted + (counts.get(error) ?? 0), 200, told);
    assert.equal(upstream.requests.length, admitted);
  });
}

Deno.test("four processes on one state never run more than concurrent 20 at a time", async () => {
  const go = Promise.withResolvers<void>();
  await using upstream = await startUpstream(after(go.promise, USED));
  await using fleet = await startFleet(upstream, { rate: { concurrent: 20 } });
  const counts = await burst(urls(fleet), 200, {
    each: (refused) => void (refused === 180 && go.resolve()),
  });
  assert.deepEqual(Object.fromEntries(counts), { "ok": 20, "concurrency-exceeded": 180 });
  await until(async () => (await usageOf(fleet.gateways[0]!.url)).rate.concurrent.used === 0);
  const again = await burst(urls(fleet), 8);
  assert.equal(again.get("ok"), 8, JSON.stringify([...again]));
});

Deno.test("four processes agree on what was used, and a killed one takes nothing along", async () => {
  await using upstream = await startUpstream(USED);
  const limits = { quota: { day: { requests: 60, tokens: 900_000 } } };
  await using fleet = await startFleet(upstream, limits);
  assert.equal((await burst(urls(fleet), 20)).get("ok"), 20);
  await until(async () => {
    const told = await Promise.all(urls(fleet).map((url) => usageOf(url)));
    return told.every(({ quota: { day } }) =>
      day.requests.used === 20 && day.tokens.used === 20 * OUTPUT && day.tokens.reserved === 0
    );
  });
  const [victim, ...rest] = fleet.gateways;
  victim!.kill("SIGKILL");
  await victim!.ended;
  await using back = await spawnGateway(fleet.dir, { config: "0.yaml" });
  const next: Fleet = { ...fleet, gateways: [back, ...rest] };
  const counts = await burst(urls(next), 120);
  assert.equal(counts.get("ok"), 40, JSON.stringify([...counts]));
});
