import { join } from "node:path";
import { measure, median, type Sample, type Scenario, spread } from "./measure.ts";
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
  calls: 4_000,
  rounds: 9,
};
/** Calls after which a gateway is compiled as it stays. */
const WARM_CALLS = 6_000;

/** Time in which most of what one gateway leaves behind is done, so that the next does not pay for it, ms. */
const SETTLED_MS = 300;

async function measureSettled(running: Running): Promise<Sample> {
  const sample = await measure(running, SCENARIO);
  await new Promise((resolve) => setTimeout(resolve, SETTLED_MS));
  return sample;
}

/** What watching costs: the same gateway with it and without. */
async function compare(name: string, on: Running, off: Running): Promise<void> {
  const ratios: { readonly rps: number; readonly cpu: number }[] = [];
  for (let round = 0; round < SCENARIO.rounds; round++) {
    // Each goes first in turn, so that a machine that warms up or slows down meets both alike.
    const first = round % 2 === 0 ? on : off;
    const one = await measureSettled(first);
    const two = await measureSettled(first === on ? off : on);
    const [with_, without] = first === on ? [one, two] : [two, one];
    ratios.push({ rps: with_.rps / without.rps, cpu: with_.cpuUs / without.cpuUs });
  }
  const shown = (values: readonly number[]) => `${median(values).toFixed(2)} (${spread(values)})`;
  const rps = shown(ratios.map(({ rps }) => rps));
  const cpu = shown(ratios.map(({ cpu }) => cpu));
  console.log(`${name.padEnd(56)}rps ${rps.padEnd(22)}cpu ${cpu}`);
}

const ONE_IN_TEN = {
  OTEL_TRACES_SAMPLER: "parentbased_traceidratio",
  OTEL_TRACES_SAMPLER_ARG: "0.1",
};

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
    const exported = {
      OTEL_DENO: "true",
      OTEL_DENO_CONSOLE: "ignore",
      OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
    };
    await using traced = await startGateway(mock.url, join(dir, "traced"), { env: exported });
    await using sampled = await startGateway(mock.url, join(dir, "sampled"), {
      env: { ...exported, ...ONE_IN_TEN },
    });
    for (const running of [shipped, quiet, traced, sampled]) {
      await measure(running, { ...SCENARIO, calls: WARM_CALLS });
    }
    console.log(`on against off, ${SCENARIO.name}, median of ${SCENARIO.rounds} (spread)\n`);
    await compare("metrics, journal and shipping; journal to /dev/null", shipped, quiet);
    await compare("traces over OTLP; no traces", traced, shipped);
    await compare("traces of one call in ten; no traces", sampled, shipped);
    await measureShipping(shipped);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}
