import { join } from "node:path";
import { createDeadlines } from "@/core/deadlines.ts";
import { createBundler } from "@/policies/sandbox/bundler.ts";
import { PolicyHost } from "@/policies/sandbox/policy_host.ts";
import { openProcess } from "@/policies/sandbox/process_link.ts";
import type { RouteContext } from "@/core/strategy.ts";
import { context } from "@/policies/sdk/context.ts";
import { strategies } from "@/strategies/mod.ts";
import { load, rawRequest } from "./load.ts";
import { median } from "./measure.ts";
import { type Running, startGateway, startMock, TOKEN } from "./processes.ts";

const POLICY = `import { expectedCostNusd, planOf, type RouteContext } from "@pointsman/sdk";
export function route(context: RouteContext) {
  const cost = (index: number) => expectedCostNusd(context, context.targets[index]!) ?? Infinity;
  return planOf(context.targets.toSorted((a, b) => cost(a.index) - cost(b.index)));
}`;

const clock = () => performance.now();
const pause = (ms: number) => new Promise((done) => setTimeout(done, ms));
const us = (ms: number) => `${(ms * 1_000).toFixed(0)} us`;

/** Contexts by their size in KB: `2` has two targets, `16` has twelve. */
const CONTEXTS = [2, 12].map((count) =>
  context({ targets: Array.from({ length: count }, (_, index) => ({ model: `m${index}` })) })
);

/** What decisions took, sorted: ms each, and us of this thread for each in batches. */
interface Took {
  readonly times: readonly number[];
  readonly threadUs: readonly number[];
}

const BATCH = 100;

/** Asks so often, `width` at once; the first third is not counted. */
async function measure(ask: () => Promise<unknown>, width: number): Promise<Took> {
  const times: number[] = [];
  const threadUs: number[] = [];
  const lane = async () => {
    for (let turn = 0; turn < BATCH / width; turn++) {
      const started = clock();
      await ask();
      times.push(clock() - started);
    }
  };
  for (let batch = 0; batch < 60; batch++) {
    const before = threadTimeUs();
    await Promise.all(Array.from({ length: width }, lane));
    threadUs.push((threadTimeUs() - before) / BATCH);
  }
  const counted = (all: readonly number[]) => all.slice(all.length / 3).sort((a, b) => a - b);
  return { times: counted(times), threadUs: counted(threadUs) };
}

/** Processor time of the main thread of a process, us; others do its reading and waiting. */
function threadTimeUs(pid = Deno.pid): number {
  const stat = Deno.readTextFileSync(`/proc/${pid}/task/${pid}/schedstat`);
  return Number(stat.split(" ")[0]) / 1_000;
}

const at = (times: readonly number[], share: number) => times[Math.floor(share * times.length)]!;

/** A child that sends back what it gets: what no host can be faster than. */
function startEcho(text: string) {
  const loop = "const b = new Uint8Array(65536);" +
    "for (let n; (n = Deno.stdin.readSync(b)) !== null;) Deno.stdout.writeSync(b.subarray(0, n));";
  const child = new Deno.Command(Deno.execPath(), {
    args: ["eval", loop],
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  const reader = child.stdout.getReader();
  const bytes = new TextEncoder().encode(text);
  return {
    async ask() {
      void writer.write(bytes);
      for (let got = 0; got < bytes.length;) got += (await reader.read()).value?.length ?? 0;
    },
    async stop() {
      child.kill("SIGKILL");
      await reader.cancel();
      await child.status;
    },
  };
}

async function sandbox(dir: string): Promise<void> {
  using bundler = createBundler();
  const result = await bundler.bundle(join(dir, "policy.ts"), dir);
  if (!result.ok) throw new Error(JSON.stringify(result.flaws));
  const { code } = result.bundle;
  const start = async () => {
    const host = new PolicyHost({
      deadlines: createDeadlines(clock),
      clock,
      open: openProcess,
      heapMb: 64,
    });
    const limits = { timeoutMs: 1_000, heapMb: 64, traces: false };
    await host.load({ code, ...limits }, { onWorn() {}, onDiffers() {}, onEnd() {} });
    return host;
  };
  const host = await start();
  const echo = startEcho(JSON.stringify(CONTEXTS[0]));
  const floor = await measure(() => echo.ask(), 1);
  console.log(
    `echo child  p50 ${us(at(floor.times, 0.5))}  p99 ${us(at(floor.times, 0.99))}  ` +
      `this thread p50 ${at(floor.threadUs, 0.5).toFixed(0)} us  ` +
      `p99 ${at(floor.threadUs, 0.99).toFixed(0)} us`,
  );
  const print = async (name: string, given: RouteContext, width: number) => {
    // What the gateway does: the context is made into text for each decision.
    const took = await measure(() => host.decide(JSON.stringify(given)), width);
    const bytes = JSON.stringify(given).length;
    console.log(
      `${name}, ${bytes} bytes, ${width} at once  p50 ${us(at(took.times, 0.5))}  ` +
        `p99 ${us(at(took.times, 0.99))}  ratio to an echo child ` +
        `${(at(took.times, 0.5) / at(floor.times, 0.5)).toFixed(2)}  this thread p50 ` +
        `${at(took.threadUs, 0.5).toFixed(0)} us  p99 ${at(took.threadUs, 0.99).toFixed(0)} us`,
    );
  };
  for (const given of CONTEXTS) await print("decision", given, 1);
  await print("decision", CONTEXTS[0]!, 16);
  const others = await Promise.all(Array.from({ length: 7 }, start));
  await print("with 8 policies", CONTEXTS[0]!, 1);
  for (const each of [host, ...others]) each.kill();
  await Promise.all([host, ...others].map(({ ended }) => ended).concat(echo.stop()));
}

/** The strategy that decides in this thread, over 50 targets. */
function dynamicScore(): void {
  const strategy = strategies.get("dynamic_score");
  const given = context({
    targets: Array.from({ length: 50 }, (_, index) => ({
      model: `m${index}`,
      prices: { input: 1e8 * (index + 1), output: 4e8 },
      signals: { observations: 100, successes: 99, p95LatencyMs: 900 + index, errorRate: 0.01 },
    })),
  });
  const base = () => ({ targetIndex: 0 });
  const decide = strategy.create(strategy.options.parse({}), {
    group: "bench",
    policies: null,
    base,
  });
  const asking = {
    trial: false,
    remote: false,
    role: "serve",
    signal: new AbortController().signal,
    runs: [],
  } as const;
  const times: number[] = [];
  for (let turn = 0; turn < 3_000; turn++) {
    const started = clock();
    void decide(given, { ...asking, runs: [] });
    if (turn > 1_000) times.push(clock() - started);
  }
  times.sort((a, b) => a - b);
  console.log(`dynamic_score, 50 targets  p50 ${us(at(times, 0.5))}  p99 ${us(at(times, 0.99))}`);
}

/** Time from a saved edit until calls are decided by it. */
async function edits(dir: string): Promise<void> {
  await using upstream = await startMock();
  const edited = await Deno.makeTempDir({ dir });
  const path = join(edited, "policy.ts");
  const label = (name: string) =>
    `export const route = () => ({ targetIndex: 0, classLabel: "${name}" });`;
  await Deno.writeTextFile(path, label("v0"));
  await using gateway = await startGateway(upstream.url, edited, {
    strategy: "script, script: policy.ts",
  });
  const body = JSON.stringify({ model: "bench", messages: [{ role: "user", content: "Hello" }] });
  const headers = { authorization: `Bearer ${TOKEN}` };
  const times: number[] = [];
  for (let edit = 1; edit <= 8; edit++) {
    // Nobody saves as soon as it works, and who looks must not keep the machine busy.
    await pause(1_000);
    const started = clock();
    await Deno.writeTextFile(path, label(`v${edit}`));
    for (let found = ""; found !== `v${edit}`;) {
      const url = `${gateway.url}/v1/route/explain`;
      const { plan } = await (await fetch(url, { method: "POST", headers, body })).json();
      found = plan?.classLabel ?? "";
      await pause(5);
    }
    times.push(clock() - started);
  }
  times.sort((a, b) => a - b);
  console.log(
    `edit to new version  p50 ${at(times, 0.5).toFixed(0)} ms  ` +
      `longest ${times.at(-1)!.toFixed(0)} ms`,
  );
}

/** Calls through a gateway, of which one decides by policy and the other by weight. */
async function calls(dir: string): Promise<void> {
  await using upstream = await startMock();
  await using weighted = await startGateway(upstream.url, dir);
  const scripted = await Deno.makeTempDir({ dir });
  await Deno.copyFile(join(dir, "policy.ts"), join(scripted, "policy.ts"));
  await using script = await startGateway(upstream.url, scripted, {
    strategy: "script, script: policy.ts, script_timeout_ms: 1000",
  });
  await compare({ weighted, script });
}

/** Calls through gateways that record no decision, and every one. */
async function telemetry(dir: string): Promise<void> {
  await using upstream = await startMock();
  const of = async (keys: string) =>
    await startGateway(upstream.url, await Deno.makeTempDir({ dir }), {
      serverKeys: `, decision_telemetry: { ${keys} }`,
    });
  await using unrecorded = await of("enabled: false");
  await using recorded = await of("sample_percent: 100");
  await compare({ unrecorded, recorded });
}

/** Loads two gateways in turn, and prints the ratio of their rates. */
async function compare(
  gateways: Readonly<Record<string, Running>>,
): Promise<void> {
  const body = JSON.stringify({ model: "bench", messages: [{ role: "user", content: "Hello" }] });
  for (const connections of [1, 16]) {
    const rates = new Map(Object.keys(gateways).map((name): [string, number[]] => [name, []]));
    const cpu = new Map(Object.keys(gateways).map((name): [string, number[]] => [name, []]));
    for (let round = 0; round < 6; round++) {
      for (const [name, { url, pid }] of Object.entries(gateways)) {
        const request = rawRequest(`${url}/v1/chat/completions`, {
          authorization: `Bearer ${TOKEN}`,
        }, body);
        const calls = 500 * Math.min(4, connections);
        const before = threadTimeUs(pid);
        const { rps } = await load(request, { calls, connections });
        if (round === 0) continue;
        rates.get(name)!.push(rps);
        cpu.get(name)!.push((threadTimeUs(pid) - before) / calls);
      }
    }
    const medians = [...rates].map(([name, all]) =>
      [name, median(all), median(cpu.get(name)!)] as const
    );
    const [first, second] = medians.map(([, rps]) => rps);
    console.log(
      `calls, ${connections} connections  ` +
        medians.map(([name, rps, us]) =>
          `${name} ${rps.toFixed(0)} rps, ${us.toFixed(0)} us of its thread  `
        ).join("") + `ratio ${(second! / first!).toFixed(2)}`,
    );
  }
}

const BENCHES = { dynamicScore, sandbox, edits, calls, telemetry };

/** Runs the benches that are named, or all. */
if (import.meta.main) {
  const dir = await Deno.makeTempDir({ prefix: "pointsman-bench-" });
  try {
    await Deno.writeTextFile(join(dir, "policy.ts"), POLICY);
    for (const [name, bench] of Object.entries(BENCHES)) {
      if (Deno.args.length === 0 || Deno.args.includes(name)) await bench(dir);
    }
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}
