import { createDeadlines } from "@/core/deadlines.ts";
import { wait } from "@/core/wait.ts";
import type { HostAnswer } from "@/policies/sandbox/policy_host.ts";
import { PolicyHost } from "@/policies/sandbox/policy_host.ts";
import { openProcess } from "@/policies/sandbox/process_link.ts";
import type { LoadMessage } from "@/policies/sandbox/messages.ts";
import { until } from "./until.ts";

const clock = () => performance.now();

/** Whether a process is there, and no zombie. */
export function isRunning(pid: number): boolean {
  try {
    return !/^\d+ \(.*\) [ZX]/.test(Deno.readTextFileSync(`/proc/${pid}/stat`));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** Processes that a process has started and that are there, by their command lines. */
export function childrenOf(pid: number): ReadonlyMap<number, string> {
  const children = new Map<number, string>();
  for (const { name } of Deno.readDirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const stat = Deno.readTextFileSync(`/proc/${name}/stat`);
      const [state, parent] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      if (Number(parent) !== pid || state === "Z") continue;
      children.set(Number(name), Deno.readTextFileSync(`/proc/${name}/cmdline`));
    } catch {
      // It has ended meanwhile.
    }
  }
  return children;
}

/** Policy hosts that a process has started. */
export function hostsOf(pid: number): readonly number[] {
  return [...childrenOf(pid)].flatMap(([pid, line]) =>
    line.includes("sandbox/host.ts") ? [pid] : []
  );
}

/** Processor time that processes have used together, ticks of 10 ms. */
export function cpuTicksOf(pids: readonly number[]): number {
  return pids.map((pid) => {
    try {
      const stat = Deno.readTextFileSync(`/proc/${pid}/stat`);
      const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      return Number(fields[11]) + Number(fields[12]);
    } catch {
      return 0;
    }
  }).reduce((sum, ticks) => sum + ticks, 0);
}

/** Memory that a process and its policy hosts hold together, MiB. */
export function residentMb(pid: number): number {
  const pages = [pid, ...hostsOf(pid)].map((pid) => {
    try {
      return Number(Deno.readTextFileSync(`/proc/${pid}/statm`).split(" ")[1]);
    } catch {
      return 0;
    }
  });
  return pages.reduce((sum, count) => sum + count, 0) * 4_096 / 2 ** 20;
}

/** Two processes for the one policy of a gateway, and the spare. */
const HOSTS = 3;

/** Ends when the hosts are as many as configured and none of them does anything. */
export async function settledHosts(pid: number): Promise<void> {
  let before = NaN;
  await until(async () => {
    await wait(100);
    const hosts = hostsOf(pid);
    const ticks = cpuTicksOf(hosts);
    const idle = ticks - before < 5;
    before = ticks;
    return hosts.length === HOSTS && idle;
  });
}

/** A host of its own for a test. */
export interface TestHost extends AsyncDisposable {
  readonly host: PolicyHost;
  /** Marks that came with answers, and the end. */
  readonly told: readonly string[];
  /** What came of loading it; `null`: it decides. */
  readonly refused: HostAnswer | null;
  decide(context?: object): Promise<HostAnswer>;
}

/** A policy of these statements. */
export function policyCode(body: string, top = ""): string {
  return `${top}\nvar __policy = { route(ctx) { ${body} } };`;
}

/** Starts a host and loads a script into it. */
export async function startHost(
  code: string,
  limits: Partial<Omit<LoadMessage, "code">> = {},
): Promise<TestHost> {
  const told: string[] = [];
  const heapMb = limits.heapMb ?? 64;
  const host = new PolicyHost({
    deadlines: createDeadlines(clock),
    clock,
    open: openProcess,
    heapMb,
  });
  const message = { timeoutMs: 50, traces: false, ...limits, heapMb, code };
  const refused = await host.load(message, {
    onWorn: () => void told.push("worn"),
    onDiffers: () => void told.push("differs"),
    onEnd: () => void told.push("ended"),
  });
  return {
    host,
    told,
    refused,
    decide: (context = {}) => host.decide(JSON.stringify({ now: 1_000, seed: 42, ...context })),
    async [Symbol.asyncDispose]() {
      host.kill();
      await host.ended;
    },
  };
}
