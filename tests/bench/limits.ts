import { join } from "node:path";
import { NO_CHARGE } from "@/core/limits/account.ts";
import { Ledger } from "@/core/limits/ledger.ts";
import { LIMIT_KEYS, type Need, type ScopeLimits } from "@/core/limits/limit.ts";
import { load, rawRequest } from "./load.ts";
import { cpuMs, type Running, startGateway, startMock, TOKEN } from "./processes.ts";

/** Every limit, none of them ever reached. */
const ALL = `,
    rate: { rpm: 900000000, tpm: 900000000000, concurrent: 100000 },
    quota: { day: { requests: 900000000, tokens: 900000000000, cost_usd: 900000 },
             month: { requests: 900000000, tokens: 900000000000, cost_usd: 900000 } },
    key: { lifetime_tokens: 900000000000 },
    traffic_shape: { request_start_per_sec: 1000000, request_burst: 1000000 }`;

const BODY = JSON.stringify({
  model: "bench",
  messages: [{ role: "user", content: "Tell me something short" }],
});
const PLAN = { connections: 16, calls: 5_000 };
const ROUNDS = 5;

const median = (values: readonly number[]) => values.toSorted((a, b) => a - b)[values.length >> 1]!;

async function measure(running: Running): Promise<{ rps: number; cpuUs: number }> {
  const headers = { authorization: `Bearer ${TOKEN}` };
  const request = rawRequest(`${running.url}/v1/chat/completions`, headers, BODY);
  const before = await cpuMs(running.pid) ?? NaN;
  const { rps } = await load(request, PLAN);
  const after = await cpuMs(running.pid) ?? NaN;
  return { rps, cpuUs: (after - before) * 1000 / PLAN.calls };
}

/** Rounds are interleaved, so that a busy moment of the machine meets both alike. */
async function compare(title: string, first: Running, second: Running): Promise<void> {
  for (const gateway of [first, second]) await measure(gateway);
  const rounds: Awaited<ReturnType<typeof measure>>[][] = [];
  for (let round = 0; round < ROUNDS; round++) {
    rounds.push([await measure(first), await measure(second)]);
  }
  const ratio = (of: "rps" | "cpuUs") => median(rounds.map(([a, b]) => b![of] / a![of]));
  const rps = (which: number) => median(rounds.map((round) => round[which]!.rps)).toFixed(0);
  console.log(
    `${title.padEnd(27)} ${rps(0)} / ${rps(1)}   ratio ${ratio("rps").toFixed(2)}` +
      `   cpu ratio ${ratio("cpuUs").toFixed(2)}`,
  );
}

async function unary(dir: string): Promise<void> {
  await using mock = await startMock();
  await using off = await startGateway(mock.url, join(dir, "off"));
  await using on = await startGateway(mock.url, join(dir, "on"), { callerKeys: ALL });
  await compare("unary rps, limits off / on", off, on);
}

/** All of it on the cores there are: the load, the mock and the gateway. */
async function several(dir: string): Promise<void> {
  await using mock = await startMock();
  await using one = await startGateway(mock.url, join(dir, "one"));
  await using two = await startGateway(mock.url, join(dir, "two"), { workers: 2 });
  await compare("unary rps, workers 1 / 2", one, two);
  const limits = { callerKeys: ALL };
  await using alone = await startGateway(mock.url, join(dir, "alone"), limits);
  await using shared = await startGateway(mock.url, join(dir, "shared"), { workers: 2, ...limits });
  await compare("with limits, workers 1 / 2", alone, shared);
}

const NEED: Need = LIMIT_KEYS.map((key) => [key, 10] as const);

function limitsOf(name: string): ScopeLimits {
  const max = Object.fromEntries(LIMIT_KEYS.map((key) => [key, Number.MAX_SAFE_INTEGER]));
  return {
    kind: "caller",
    name,
    id: `caller:${name}`,
    max: max as ScopeLimits["max"],
    quotaSoftPct: 80,
    keySoftPct: 90,
    onExhaust: "disable",
  };
}

/** Reserving and settling every limit, in us per call. */
function admission(callers: number): number {
  const ledger = new Ledger({ now: Date.now, clock: () => performance.now() });
  const scopes = Array.from({ length: callers }, (_, place) => [limitsOf(`c${place}`)]);
  const calls = 200_000;
  const charge = { ...NO_CHARGE, calls: 1, requests: 1, tokens: 5, nusd: 5 };
  let started = 0;
  for (let call = -calls / 4; call < calls; call++) {
    if (call === 0) started = performance.now();
    const reservation = ledger.open(scopes[Math.abs(call * 7919) % callers]!);
    ledger.take(reservation, NEED);
    ledger.settle(reservation, charge);
  }
  return (performance.now() - started) * 1000 / calls;
}

if (import.meta.main) {
  const times = Array.from({ length: 5 }, () => [admission(1), admission(10_000)] as const);
  const one = median(times.map(([one]) => one));
  const many = median(times.map(([, many]) => many));
  console.log(
    `admission of all limits     1 caller ${one.toFixed(2)} us   10,000 callers ${
      many.toFixed(2)
    } us` +
      `   ratio ${(many / one).toFixed(2)}`,
  );
  const dir = await Deno.makeTempDir({ prefix: "pointsman-bench-" });
  try {
    await unary(dir);
    await several(dir);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}
