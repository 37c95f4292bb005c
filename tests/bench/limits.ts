import { join } from "node:path";
import { NO_CHARGE } from "@/core/limits/charge.ts";
import { Ledger } from "@/core/limits/ledger.ts";
import { LIMIT_KEYS, type Need, type ScopeLimits } from "@/core/limits/limit.ts";
import { admissions } from "./admission.ts";
import { load, rawRequest, type Requests } from "./load.ts";
import { median } from "./measure.ts";
import { overshoot } from "./overshoot.ts";
import { cpuMs, type Running, startGateway, startMock, TOKEN, tokenOf } from "./processes.ts";

/** Every limit, none of them ever reached. */
const LIMITS = `,
    rate: { rpm: 900000000, tpm: 900000000000, concurrent: 100000 },
    quota: { day: { requests: 900000000, tokens: 900000000000, cost_usd: 900000 },
             month: { requests: 900000000, tokens: 900000000000, cost_usd: 900000 } },
    key: { lifetime_tokens: 900000000000 },
    traffic_shape: { request_start_per_sec: 1000000, request_burst: 1000000 }`;
/** Room for so few replies that requests which take turns never meet theirs. */
const SMALL_CACHE = ", cache: { enabled: true, max_bytes: 65536 }";

const ROUNDS = 5;
const CALLS = 4_000;
const CALLERS = 10_000;

function request(url: string, text: string, token = TOKEN) {
  const messages = [{ role: "user", content: text }];
  const body = JSON.stringify({ model: "bench", temperature: 0, messages });
  return rawRequest(`${url}/v1/chat/completions`, { authorization: `Bearer ${token}` }, body);
}

/** So many requests, none like another. */
function different(
  { url }: Running,
  count: number,
  of: (place: number) => string = () => TOKEN,
): Requests {
  const one = (place: number) => request(url, `Tell me about number ${place}`, of(place));
  return [one(0), ...Array.from({ length: count - 1 }, (_, place) => one(place + 1))];
}

interface Measured {
  readonly rps: number;
  readonly p50: number;
  readonly cpuUs: number;
}

async function measure(
  running: Running,
  requests: Requests,
  { connections = 16, calls = CALLS } = {},
): Promise<Measured> {
  const before = await cpuMs(running.pid) ?? NaN;
  const { rps, p50 } = await load(requests, { connections, calls });
  const after = await cpuMs(running.pid) ?? NaN;
  return { rps, p50, cpuUs: (after - before) * 1000 / calls };
}

/** Rounds are interleaved, so that a busy moment of the machine meets both alike. */
async function compare(
  one: () => Promise<Measured>,
  other: () => Promise<Measured>,
): Promise<
  { ratio(of: keyof Measured): string; show(of: keyof Measured, digits: number): string }
> {
  const rounds: (readonly [Measured, Measured])[] = [];
  for (let round = 0; round <= ROUNDS; round++) {
    const measured = [await one(), await other()] as const;
    if (round > 0) rounds.push(measured); // the first one warms up
  }
  const side = (place: 0 | 1, of: keyof Measured) =>
    median(rounds.map((round) => round[place][of]));
  return {
    ratio: (of) => median(rounds.map(([one, other]) => other[of] / one[of])).toFixed(2),
    show: (of, digits) => `${side(0, of).toFixed(digits)} / ${side(1, of).toFixed(digits)}`,
  };
}

async function unary(mock: Running, dir: string): Promise<void> {
  await using off = await startGateway(mock.url, join(dir, "off"));
  await using on = await startGateway(mock.url, join(dir, "on"), {
    callerKeys: LIMITS,
    serverKeys: SMALL_CACHE,
  });
  const turns = [different(off, CALLS), different(on, CALLS)] as const;
  const { ratio, show } = await compare(() => measure(off, turns[0]), () => measure(on, turns[1]));
  console.log(
    `unary, all off / limits, shape, cache on   rps ${show("rps", 0)}   ratio ${ratio("rps")}` +
      `   cpu us ${show("cpuUs", 0)}   ratio ${ratio("cpuUs")}`,
  );
}

async function callers(mock: Running, dir: string): Promise<void> {
  const start = (name: string, callers: number) =>
    startGateway(mock.url, join(dir, name), { callerKeys: LIMITS, callers });
  await using one = await start("one", 1);
  await using many = await start("many", CALLERS);
  const turns = [
    different(one, CALLERS),
    // Far apart in the order in which they were made.
    different(many, CALLERS, (place) => tokenOf(place * 7_919 % CALLERS)),
  ] as const;
  const calls = CALLERS;
  const { ratio, show } = await compare(
    () => measure(one, turns[0], { calls }),
    () => measure(many, turns[1], { calls }),
  );
  console.log(
    `whole calls, 1 / 10,000 callers            rps ${show("rps", 0)}   ratio ${ratio("rps")}` +
      `   cpu us ${show("cpuUs", 0)}   ratio ${ratio("cpuUs")}`,
  );
}

/** All of it on the cores there are: the load, the mock and the gateway. */
async function workers(mock: Running, dir: string, callerKeys: string): Promise<void> {
  const kind = callerKeys === "" ? "all off" : "limits";
  const start = (workers: number) =>
    startGateway(mock.url, join(dir, `${kind} ${workers}`), {
      callerKeys,
      serverKeys: `, workers: ${workers}`,
    });
  await using one = await start(1);
  await using two = await start(2);
  const turns = [different(one, CALLS), different(two, CALLS)] as const;
  const { ratio, show } = await compare(() => measure(one, turns[0]), () => measure(two, turns[1]));
  console.log(
    `${`${kind}, 1 / 2 workers`.padEnd(42)} rps ${show("rps", 0)}   ratio ${ratio("rps")}` +
      `   cpu us ${show("cpuUs", 0)}   ratio ${ratio("cpuUs")}`,
  );
}

async function hits(mock: Running, dir: string): Promise<void> {
  await using gateway = await startGateway(mock.url, join(dir, "cache"), {
    serverKeys: SMALL_CACHE,
  });
  const plan = { connections: 1, calls: CALLS / 2 };
  const { ratio, show } = await compare(
    () => measure(gateway, different(gateway, CALLS / 2), plan),
    () => measure(gateway, request(gateway.url, "Always the same"), plan),
  );
  console.log(
    `cache, miss / hit                          p50 ms ${show("p50", 3)}   ratio ${ratio("p50")}` +
      `   cpu us ${show("cpuUs", 0)}   ratio ${ratio("cpuUs")}`,
  );
}

const NEED: Need = LIMIT_KEYS.map((key) => [key, 10] as const);

function limitsOf(name: string): ScopeLimits {
  const max = Object.fromEntries(LIMIT_KEYS.map((key) => [key, 900_000_000]));
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

/** Reserving and settling every limit, in us per call; `touch` only fetches the caller's limits. */
function admission(callers: number, touch = false): number {
  const ledger = new Ledger({ now: Date.now, clock: () => performance.now() });
  const scopes = Array.from({ length: callers }, (_, place) => [limitsOf(`c${place}`)]);
  const calls = 200_000;
  const charge = { ...NO_CHARGE, calls: 1, requests: 1, tokens: 5, nusd: 5 };
  let [started, touched] = [0, 0];
  for (let call = -calls / 4; call < calls; call++) {
    if (call === 0) started = performance.now();
    const own = scopes[Math.abs(call * 7919) % callers]!;
    if (touch) {
      touched += own[0]!.max.rpm;
      continue;
    }
    const reservation = ledger.open(own);
    ledger.take(reservation, NEED);
    ledger.settle(reservation, charge);
  }
  if (touch !== touched > 0) throw new Error("Cannot measure: nothing was done");
  return (performance.now() - started) * 1000 / calls;
}

function ledger(): void {
  const us = (measure: () => number) => median(Array.from({ length: ROUNDS }, measure));
  const [one, many] = [us(() => admission(1)), us(() => admission(CALLERS))];
  const own = us(() => admission(CALLERS, true));
  console.log(
    `ledger alone, 1 / 10,000 callers           us ${one.toFixed(2)} / ${many.toFixed(2)}` +
      `   ratio ${(many / one).toFixed(2)}   of which the bench's own look-up ${own.toFixed(2)}`,
  );
}

if (import.meta.main) {
  ledger();
  const dir = await Deno.makeTempDir({ prefix: "pointsman-bench-" });
  try {
    await admissions(dir, { callers: CALLERS, callerKeys: LIMITS });
    await using mock = await startMock();
    await unary(mock, dir);
    await callers(mock, dir);
    await hits(mock, dir);
    await workers(mock, dir, "");
    await workers(mock, dir, LIMITS);
    await overshoot(mock, dir);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}
