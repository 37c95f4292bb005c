import assert from "node:assert/strict";
import {
  caller,
  type ConfigOptions,
  type Loose,
  testConfig,
  TOKEN,
  writeConfig,
} from "../gateway.ts";
import { call, type CallOptions } from "../gateway_client.ts";
import { type GatewayProcess, makeFolder, spawnGateway } from "../gateway_process.ts";
import { after, reply, startUpstream, type TestUpstream } from "../upstream.ts";

const PROCESSES = 4;

/** Output tokens of every reply, which is what is reserved for it, too. */
const OUTPUT = 500;

/** A reply that uses exactly what was reserved: input is free in these tests. */
const USED = reply({
  id: "chatcmpl-1",
  object: "chat.completion",
  created: 1,
  model: "m",
  choices: [{ index: 0, message: { role: "assistant", content: "hello" }, finish_reason: "stop" }],
  usage: { prompt_tokens: 0, completion_tokens: OUTPUT, total_tokens: OUTPUT },
});

const ASK: CallOptions = { body: { max_tokens: OUTPUT } };

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

/** Calls at once, spread over the processes; how many were answered with which status or error. */
async function burst(
  fleet: Fleet,
  calls: number,
  each: (refused: number) => void = () => {},
): Promise<Map<string, number>> {
  const counts = new Map<string, number>();
  await Promise.all(Array.from({ length: calls }, async (_, turn) => {
    const { url } = fleet.gateways[turn % PROCESSES]!;
    const answer = await call(url, "openai-chat", ASK);
    const kind = answer.status === 200 ? "ok" : String(answer.json()["error"].type);
    counts.set(kind, (counts.get(kind) ?? 0) + 1);
    if (kind !== "ok") each(counts.get(kind) ?? 0);
  }));
  return counts;
}

async function usage({ url }: GatewayProcess): Promise<Loose> {
  return await (await fetch(`${url}/v1/usage`, { headers: { "x-api-key": TOKEN } })).json();
}

/** The limit in calls of this test, and what is told of the others. */
const LIMITS = [
  { name: "rpm 100", limits: { rate: { rpm: 100 } }, fits: 100, error: "rpm-exceeded" },
  // 513 tokens are reserved for a call: 500 of output, and 13 of input.
  { name: "tpm 100,000", limits: { rate: { tpm: 100_000 } }, fits: 194, error: "tpm-exceeded" },
  {
    name: "a budget of 1 USD",
    limits: { quota: { day: { cost_usd: 1 } } },
    fits: 100,
    error: "quota-exhausted",
  },
  {
    name: "month.requests 120",
    limits: { quota: { month: { requests: 120 } } },
    fits: 120,
    error: "quota-exhausted",
  },
  {
    name: "lifetime 50,000 tokens",
    limits: { key: { lifetime_tokens: 50_000 } },
    fits: 97,
    error: "key-exhausted",
  },
] as const;

for (const { name, limits, fits, error } of LIMITS) {
  Deno.test(`four processes on one state never pass ${name}, and use it up`, async () => {
    await using upstream = await startUpstream(USED);
    await using fleet = await startFleet(upstream, limits);
    const counts = await burst(fleet, 200);
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
  const counts = await burst(fleet, 200, (refused) => refused === 180 && go.resolve());
  assert.deepEqual(Object.fromEntries(counts), { "ok": 20, "concurrency-exceeded": 180 });
  await until(async () => (await usage(fleet.gateways[0]!)).rate.concurrent.used === 0);
  const again = await burst(fleet, 8);
  assert.equal(again.get("ok"), 8, JSON.stringify([...again]));
});

Deno.test("four processes agree on what was used, and a killed one takes nothing along", async () => {
  await using upstream = await startUpstream(USED);
  const limits = { quota: { day: { requests: 60, tokens: 900_000 } } };
  await using fleet = await startFleet(upstream, limits);
  assert.equal((await burst(fleet, 20)).get("ok"), 20);
  await until(async () => {
    const told = await Promise.all(fleet.gateways.map(usage));
    return told.every(({ quota: { day } }) =>
      day.requests.used === 20 && day.tokens.used === 20 * OUTPUT && day.tokens.reserved === 0
    );
  });
  const [victim, ...rest] = fleet.gateways;
  victim!.kill("SIGKILL");
  await victim!.ended;
  await using back = await spawnGateway(fleet.dir, { config: "0.yaml" });
  const next: Fleet = { ...fleet, gateways: [back, ...rest] };
  const counts = await burst(next, 120);
  assert.equal(counts.get("ok"), 40, JSON.stringify([...counts]));
});

async function until(holds: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; !await holds(); tries++) {
    assert(tries < 200, "it never came true");
    await new Promise((done) => setTimeout(done, 25));
  }
}
