import { randomFrom } from "@/core/random.ts";
import { wait } from "@/core/wait.ts";
import { caller, TOKEN } from "./gateway.ts";
import { type Answer, call } from "./gateway_client.ts";
import { makeFolder, spawnGateway } from "./gateway_process.ts";
import { HOSTILE_BY_CAP, HOSTILE_POLICY } from "./policy_cases.ts";
import { cpuTicksOf, hostsOf, residentMb, settledHosts } from "./policy_support.ts";

/** Hostile calls at once. */
const LANES = 4;

/** Pause between two calls to the other group, ms. */
const PAUSE_MS = 20;

/** A gateway without calls looks at itself now and then. */
const QUIET_CORES = 0.3;

/** Longest wait for memory to return, in looks of 100 ms. */
const LOOKS = 300;

/** What may happen to any decision on a busy machine. */
const ANY_END = ["policy-timeout", "policy-killed"];

/** Ends of decisions that no process was there for: they say nothing, and are made again. */
const NOT_MADE = ["policy-unavailable", "policy-busy"];

/** A cap that no hostile case has. */
const HARMLESS = 1;

const TARGETS = ["echo-reasoning", "echo"].map((model) => ({ provider: "echo", model }));

const CONFIG = {
  upstreams: [],
  server: { policies: { quarantine: { faults: 1_000_000 } } },
  providers: { echo: { base_url: "builtin:echo", dialect: "openai-chat" } },
  group: { targets: TARGETS },
  models: {
    policed: { strategy: "script", script: "hostile.ts", targets: TARGETS },
  },
  callers: [caller("ci", TOKEN, { allow: ["fast", "policed"] })],
  files: { "hostile.ts": HOSTILE_POLICY },
};

/** What was seen from outside of a gateway that had a hostile policy. */
export interface HostileRun {
  /** Decisions by what they ended as. */
  readonly ends: ReadonlyMap<string, number>;
  /** What should not have been, in words. */
  readonly wrong: readonly string[];
  /** Calls to a group without a policy meanwhile, and how long they took, sorted, ms. */
  readonly others: readonly number[];
  /** Of the gateway and its policy hosts, MiB. */
  readonly memoryMb: { readonly before: number; readonly after: number };
  /** Processor time of all of them in the quietest second without calls, in cores. */
  readonly idleCores: number;
}

/**
 * Lets a gateway in a process of its own decide so many calls by a policy that is hostile in every way, in
 * random order and several at once, while another group serves.
 *
 * @param onProgress told how many are done
 */
export async function runHostile(
  runs: number,
  onProgress: (done: number) => void,
): Promise<HostileRun> {
  await using folder = await makeFolder(CONFIG);
  await using gateway = await spawnGateway(folder.dir);
  const { url, pid } = gateway;
  await settledHosts(pid);
  if (!await decides(url)) throw new Error("Cannot begin: the policy does not decide");
  const before = residentMb(pid);
  const wrong: string[] = [];
  const ends = new Map<string, number>();
  const random = randomFrom(runs);
  const caps = [...HOSTILE_BY_CAP.keys()];
  let begun = 0;
  let done = 0;
  const lane = async () => {
    while (begun++ < runs) {
      const cap = caps[Math.floor(random() * caps.length)]!;
      const end = await endAt(url, cap);
      ends.set(end, (ends.get(end) ?? 0) + 1);
      const { name, ends: expected } = HOSTILE_BY_CAP.get(cap)!;
      if (![...expected, ...ANY_END].includes(end)) wrong.push(`${name} ended as ${end}`);
      onProgress(++done);
    }
  };
  const others: number[] = [];
  const lanes = Promise.all(Array.from({ length: LANES }, lane));
  const watched = watchOthers(url, { others, wrong, isOver: () => done >= runs });
  await Promise.all([lanes, watched]);
  await settledHosts(pid);
  if (!await decides(url)) wrong.push("the policy does not decide any more");
  const after = await memoryBelow(pid, before + 64);
  const idleCores = await idleCoresOf(pid);
  others.sort((a, b) => a - b);
  return { ends, wrong, others, memoryMb: { before, after }, idleCores };
}

const ask = (url: string, cap: number) =>
  call(url, "openai-chat", { body: { model: "policed", max_tokens: cap } });

/** What a decision ends as, once it was made. */
async function endAt(url: string, cap: number): Promise<string> {
  for (;;) {
    const end = endOf(await ask(url, cap));
    if (!NOT_MADE.includes(end)) return end;
    await wait(PAUSE_MS);
  }
}

/** Whether what is harmless is decided; a busy machine may be too slow for it, but not each time. */
async function decides(url: string): Promise<boolean> {
  for (let round = 0; round < 20; round++) {
    if (endOf(await ask(url, HARMLESS)) === "plan") return true;
  }
  return false;
}

function endOf(answer: Answer): string {
  if (answer.status === 200) return "plan";
  return String(answer.json()["error"]?.details?.fault ?? `status ${answer.status}`);
}

/** Calls another group until it is over: nothing of the hostile one may show there. */
async function watchOthers(
  url: string,
  { others, wrong, isOver }: {
    readonly others: number[];
    readonly wrong: string[];
    isOver(): boolean;
  },
): Promise<void> {
  while (!isOver()) {
    const started = performance.now();
    const answer = await call(url, "openai-chat");
    others.push(performance.now() - started);
    const model = answer.headers.get("x-router-model");
    if (answer.status !== 200 || model !== "echo-reasoning") {
      wrong.push(`the other group answered ${answer.status} by ${model}`);
    }
    await wait(PAUSE_MS);
  }
}

/** Cores that are busy without a call; what was begun before may take a few seconds more. */
async function idleCoresOf(pid: number): Promise<number> {
  let least = Infinity;
  for (let second = 0; second < 20 && least > QUIET_CORES; second++) {
    const before = cpuTicksOf([pid, ...hostsOf(pid)]);
    await wait(1_000);
    least = Math.min(least, (cpuTicksOf([pid, ...hostsOf(pid)]) - before) / 100);
  }
  return least;
}

/** Memory as soon as it is below a mark, or after a while. */
async function memoryBelow(pid: number, mark: number): Promise<number> {
  let held = residentMb(pid);
  for (let look = 0; look < LOOKS && held >= mark; look++) {
    await wait(100);
    held = residentMb(pid);
  }
  return held;
}
