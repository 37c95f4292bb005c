import { join } from "node:path";
import { measure, median, type Scenario, spread } from "./measure.ts";
import {
  type Running,
  startCollector,
  startGateway,
  startMock,
  startQuietGateway,
  threadsUs,
} from "./processes.ts";

const SCENARIO: Scenario = {
  name: "unary, 16 connections",
  body: JSON.stringify({
    model: "bench",
    messages: [{ role: "user", content: "Tell me something short" }],
  }),
  connections: 16,
  calls: 8_000,
  rounds: 9,
};

/** What watching costs: the same gateway with it and without. */
async function compare(name: string, on: Running, off: Running): Promise<void> {
  for (const running of [on, off]) await measure(running, SCENARIO);
  const ratios: { readonly rps: number; readonly cpu: number }[] = [];
  for (let round = 0; round < SCENARIO.rounds; round++) {
    // Each goes first in turn, so that a machine that warms up or slows down meets both alike.
    const first = round % 2 === 0 ? on : off;
    const one = await measure(first, SCENARIO);
    const two = await measure(first === on ? off : on, SCENARIO);
    const [with_, without] = first === on ? [one, two] : [two, one];
    ratios.push({ rps: with_.rps / without.rps, cpu: with_.cpuUs / without.cpuUs });
  }
  const shown = (values: readonly number[]) => `${median(values).toFixed(2)} (${spread(values)})`;
  const rps = shown(ratios.map(({ rps }) => rps));
  const cpu = shown(ratios.map(({ cpu }) => cpu));
  console.log(`${name.padEnd(56)}rps ${rps.padEnd(22)}cpu ${cpu}`);
}

/** Name of the thread that ships, as Deno calls its first worker. */
const STORAGE_THREAD = "worker-1";
/** Time for the last lines to be shipped, ms. */
const SHIPPED_MS = 1_000;

/** What the thread that ships takes, until everything is shipped. */
async function measureShipping(gateway: Running): Promise<void> {
  const used = async () => (await threadsUs(gateway.pid)).get(STORAGE_THREAD) ?? NaN;
  const times: number[] = [];
  for (let round = 0; round < 3; round++) {
    const before = await used();
    await measure(gateway, SCENARIO);
    await new Promise((resolve) => setTimeout(resolve, SHIPPED_MS));
    times.push((await used() - before) / SCENARIO.calls);
  }
  console.log(`storage thread: ${median(times).toFixed(0)} us of CPU a call (${spread(times)})`);
}

if (import.meta.main) {
  const dir = await Deno.makeTempDir({ prefix: "pointsman-bench-" });
  try {
    await using mock = await startMock();
    await using collector = await startCollector();
    await using shipped = await startGateway(mock.url, join(dir, "shipped"));
    await using quiet = await startQuietGateway(mock.url, join(dir, "quiet"));
    await using traced = await startGateway(mock.url, join(dir, "traced"), {
      env: { OTEL_DENO: "true", OTEL_EXPORTER_OTLP_ENDPOINT: collector.url },
    });
    console.log(`on against off, ${SCENARIO.name}, median of ${SCENARIO.rounds} (spread)\n`);
    await compare("metrics, journal and shipping; journal to /dev/null", shipped, quiet);
    await compare("traces over OTLP; no traces", traced, shipped);
    await measureShipping(shipped);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}
