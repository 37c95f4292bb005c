import { join } from "node:path";
import { createDeadlines } from "@/core/deadlines.ts";
import { createBundler } from "@/policies/sandbox/bundler.ts";
import { PolicyHost } from "@/policies/sandbox/policy_host.ts";
import { openProcess } from "@/policies/sandbox/process_link.ts";
import { context } from "@/policies/sdk/context.ts";
import { load, rawRequest } from "./load.ts";
import { startGateway, startMock, TOKEN } from "./processes.ts";

const POLICY = `import { expectedCostNusd, planOf, type RouteContext } from "@pointsman/sdk";
export function route(context: RouteContext) {
  const cost = (index: number) => expectedCostNusd(context, context.targets[index]!) ?? Infinity;
  return planOf(context.targets.toSorted((a, b) => cost(a.index) - cost(b.index)));
}`;

const clock = () => performance.now();
const us = (ms: number) => `${(ms * 1_000).toFixed(0)} us`;

/** A context of about 2 KB, as JSON. */
const CONTEXT = JSON.stringify(context({ targets: [{ model: "a" }, { model: "b" }] }));

/** Times of round trips, ms, sorted; `width` of them are under way at once. */
async function roundTrips(ask: () => Promise<unknown>, width: number): Promise<readonly number[]> {
  const times: number[] = [];
  const lane = async () => {
    for (let turn = 0; turn < 6_000 / width; turn++) {
      const started = clock();
      await ask();
      times.push(clock() - started);
    }
  };
  await Promise.all(Array.from({ length: width }, lane));
  return times.slice(times.length / 3).sort((a, b) => a - b);
}

const at = (times: readonly number[], share: number) => times[Math.floor(share * times.length)]!;

/** A child that sends back what it gets: what no host can be faster than. */
function startEcho() {
  const loop = "const b = new Uint8Array(65536);" +
    "for (let n; (n = Deno.stdin.readSync(b)) !== null;) Deno.stdout.writeSync(b.subarray(0, n));";
  const child = new Deno.Command(Deno.execPath(), {
    args: ["eval", loop],
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  const reader = child.stdout.getReader();
  const bytes = new TextEncoder().encode(CONTEXT);
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
  const host = new PolicyHost({
    deadlines: createDeadlines(clock),
    clock,
    open: openProcess,
    heapMb: 64,
  });
  const { code } = result.bundle;
  const limits = { timeoutMs: 1_000, heapMb: 64, traces: false };
  await host.load({ code, ...limits }, { onWorn() {}, onDiffers() {}, onEnd() {} });
  const echo = startEcho();
  for (const width of [1, 16]) {
    const floor = width === 1 ? await roundTrips(() => echo.ask(), 1) : null;
    const times = await roundTrips(() => host.decide(CONTEXT), width);
    const ratio = floor
      ? `  ratio to an echo child ${(at(times, 0.5) / at(floor, 0.5)).toFixed(2)}`
      : "";
    console.log(
      `decision, ${CONTEXT.length} bytes, ${width} at once  ` +
        `p50 ${us(at(times, 0.5))}  p99 ${us(at(times, 0.99))}${ratio}`,
    );
  }
  host.kill();
  await Promise.all([host.ended, echo.stop()]);
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
  const body = JSON.stringify({ model: "bench", messages: [{ role: "user", content: "Hello" }] });
  for (const connections of [1, 16]) {
    const rates: Record<string, number[]> = { weighted: [], script: [] };
    for (let round = 0; round < 6; round++) {
      for (const [name, { url }] of [["weighted", weighted], ["script", script]] as const) {
        const request = rawRequest(`${url}/v1/chat/completions`, {
          authorization: `Bearer ${TOKEN}`,
        }, body);
        const { rps } = await load(request, {
          calls: 1_500 * Math.min(4, connections),
          connections,
        });
        if (round > 0) rates[name]!.push(rps);
      }
    }
    const [plain, policed] = Object.values(rates)
      .map((all) => all.toSorted((a, b) => a - b)[all.length >> 1]!);
    console.log(
      `calls, ${connections} connections  weighted ${plain!.toFixed(0)} rps  ` +
        `script ${policed!.toFixed(0)} rps  ratio ${(policed! / plain!).toFixed(2)}`,
    );
  }
}

if (import.meta.main) {
  const dir = await Deno.makeTempDir({ prefix: "pointsman-bench-" });
  try {
    await Deno.writeTextFile(join(dir, "policy.ts"), POLICY);
    await sandbox(dir);
    await calls(dir);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}
