import { measure, median, type Sample, type Scenario, spread } from "./measure.ts";
import {
  residentMb,
  type Running,
  startBareProxy,
  startGateway,
  startLeastGateway,
  startMock,
} from "./processes.ts";

const message = (content: string) => ({ role: "user", content });
const chat = (messages: readonly object[], more: object = {}) =>
  JSON.stringify({ model: "bench", ...more, messages });

const SCENARIOS: readonly Scenario[] = [
  {
    name: "unary, 16 connections",
    body: chat([message("Tell me something short")]),
    connections: 16,
    calls: 12_000,
    rounds: 7,
  },
  {
    name: "unary, 1 connection",
    body: chat([message("Tell me something short")]),
    connections: 1,
    calls: 3_000,
    rounds: 7,
  },
  {
    name: "SSE of 20 frames, 16 connections",
    body: chat([message("Tell me something")], { stream: true }),
    connections: 16,
    calls: 6_000,
    rounds: 7,
  },
  {
    name: "1 MB body, 1 connection",
    body: toolHistory(1 << 20),
    connections: 1,
    calls: 100,
    rounds: 7,
  },
];

/** A coding agent's conversation: calls, long results, and what the model said to them. */
function toolHistory(bytes: number): string {
  const messages: object[] = [message("Mend the test")];
  for (let size = 0, call = 0; size < bytes; size += 8_300, call++) {
    const id = `call_${call}`;
    const input = JSON.stringify({ path: `src/file_${call}.ts`, lines: [1, 200] });
    messages.push({
      role: "assistant",
      content: null,
      tool_calls: [{ id, type: "function", function: { name: "read_file", arguments: input } }],
    });
    const line = `  const value = compute("${id}", { deep: true });\n`;
    messages.push({ role: "tool", tool_call_id: id, content: line.repeat(8_000 / line.length) });
  }
  return chat(messages);
}

/** A mock provider, and what stands before it. */
interface Servers {
  readonly direct: Running;
  readonly bare: Running;
  readonly least: Running;
  readonly gateway: Running;
}

/** Rounds are interleaved, so that a busy moment of the machine meets all alike. */
async function compare(servers: Servers, scenario: Scenario): Promise<void> {
  const warm = { ...scenario, calls: Math.ceil(scenario.calls / 3) };
  for (const server of Object.values(servers)) await measure(server, warm);
  const rounds: Record<keyof Servers, Sample>[] = [];
  for (let round = 0; round < scenario.rounds; round++) {
    rounds.push({
      direct: await measure(servers.direct, scenario),
      bare: await measure(servers.bare, scenario),
      least: await measure(servers.least, scenario),
      gateway: await measure(servers.gateway, scenario),
    });
  }
  print([scenario.name, ...figures(rounds, "gateway")]);
  print(["  the least gateway", ...figures(rounds, "least")]);
}

/** What a server showed, beside the provider itself and the bare proxy. */
function figures(
  rounds: readonly Readonly<Record<keyof Servers, Sample>>[],
  server: "least" | "gateway",
): readonly string[] {
  const of = (name: keyof Servers, key: keyof Sample) =>
    median(rounds.map((round) => round[name][key]));
  const each = (key: keyof Sample, digits: number) =>
    (["direct", "bare", server] as const).map((name) => of(name, key).toFixed(digits)).join(" / ");
  const ratio = (key: keyof Sample) => {
    const ratios = rounds.map((round) => round[server][key] / round.bare[key]);
    return `${median(ratios).toFixed(2)} (${spread(ratios)})`;
  };
  const added = (name: keyof Servers) =>
    median(rounds.map((round) => round[name].p50 - round.direct.p50));
  return [
    each("rps", 0),
    each("p50", 3),
    ratio("rps"),
    (added(server) / added("bare")).toFixed(2),
    ratio("cpuUs"),
  ];
}

/** Memory after many calls must not grow with their number. */
async function memory(gateway: Running): Promise<void> {
  const [scenario] = SCENARIOS;
  if (!scenario) return;
  const marks: string[] = [];
  for (let batch = 0; batch < 5; batch++) {
    await measure(gateway, { ...scenario, calls: 20_000 });
    marks.push(`${(batch + 1) * 20}k: ${await residentMb(gateway.pid)} MB`);
  }
  console.log(`memory after calls  ${marks.join("  ")}`);
}

function print(cells: readonly string[]): void {
  const widths = [34, 26, 26, 22, 10, 22];
  console.log(cells.map((cell, index) => cell.padEnd(widths[index]!)).join(""));
}

async function readyMs(gateway: Running): Promise<string> {
  const from = performance.now();
  while (!(await fetch(`${gateway.url}/readyz`)).ok) await new Promise((go) => setTimeout(go, 5));
  return (gateway.startMs + performance.now() - from).toFixed(0);
}

if (import.meta.main) {
  const dir = await Deno.makeTempDir({ prefix: "pointsman-bench-" });
  try {
    await using direct = await startMock();
    await using bare = await startBareProxy(direct.url);
    await using least = await startLeastGateway(direct.url, dir);
    await using gateway = await startGateway(direct.url, dir);
    const ready = await readyMs(gateway);
    console.log(`start to ready  ${ready} ms   idle  ${await residentMb(gateway.pid)} MB\n`);
    print([
      "bench",
      "rps direct/bare/this",
      "p50 ms",
      "rps ratio (spread)",
      "added",
      "cpu ratio",
    ]);
    const [only] = Deno.args;
    for (const scenario of SCENARIOS) {
      if (only && !scenario.name.includes(only)) continue;
      await compare({ direct, bare, least, gateway }, scenario);
    }
    if (!only || only === "memory") await memory(gateway);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}
