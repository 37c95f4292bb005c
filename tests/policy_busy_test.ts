import assert from "node:assert/strict";
import { join } from "node:path";
import { createLog } from "@/core/log.ts";
import type { PolicyHostSettings } from "@/core/policy_runner.ts";
import { createScriptRunner } from "@/policies/sandbox/runner.ts";
import { ASKING, contextOf, targetsWeighing } from "./builders.ts";

const LOOPS = "export const route = () => { for (;;); };";

/** Asks a policy that loops; gives the fault. */
type Ask = () => Promise<string>;

/** Runs a test with such a policy, in quarantine after so many faults. */
async function looping(quarantineFaults: number, test: (ask: Ask) => Promise<void>): Promise<void> {
  const dir = await Deno.makeTempDir();
  const path = join(dir, "a.ts");
  await Deno.writeTextFile(path, LOOPS);
  const clock = () => performance.now();
  const log = createLog({ level: "error", format: "json" }, { now: Date.now, line: () => {} });
  const runner = createScriptRunner({ log, clock });
  const settings: PolicyHostSettings = {
    hosts: 2,
    watch: false,
    isolation: "process",
    trust: { required: false, keys: [] },
    quarantine: { faults: quarantineFaults, windowMs: 60_000, openMs: 30_000, maxOpenMs: 900_000 },
  };
  const group = {
    name: "policed",
    policy: {
      kind: "script" as const,
      path,
      root: dir,
      timeoutMs: 50,
      heapMb: 64,
      maxConcurrent: 16,
      net: [],
      http: { timeoutMs: 200, maxResponseBytes: 65_536, allowHttp: false, headers: {} },
    },
  };
  try {
    assert.deepEqual(await runner.prepare([group], settings), []);
    runner.adopt([group], settings);
    const context = contextOf(targetsWeighing([1, 1]));
    await test(async () => {
      const verdict = await runner.decide("policed", context, ASKING);
      return verdict.kind === "fault" ? verdict.fault : verdict.kind;
    });
  } finally {
    await runner.close();
    await Deno.remove(dir, { recursive: true });
  }
}

/** Decisions under way, and those that may wait. */
const PLACES = 16 + 256;

Deno.test("policy that is asked a thousand times at once is busy for the excess", async () => {
  await looping(100_000, async (ask) => {
    const faults = await Promise.all(Array.from({ length: 1_000 }, ask));
    const known = ["policy-busy", "policy-timeout", "policy-killed", "policy-unavailable"];
    assert.deepEqual(faults.filter((fault) => !known.includes(fault)), []);
    const busy = faults.filter((fault) => fault === "policy-busy").length;
    assert(busy >= 1_000 - PLACES && busy < 1_000, `${busy} busy`);
  });
});

Deno.test("policy that fails five times is asked no more", async () => {
  await looping(5, async (ask) => {
    const asked: string[] = [];
    while (asked.at(-1) !== "policy-quarantined") asked.push(await ask());
    const counted = asked.filter((fault) => /timeout|killed/.test(fault));
    assert.equal(counted.length, 5, asked.join(" "));
    const faults = await Promise.all(Array.from({ length: 100 }, ask));
    assert(faults.every((fault) => fault === "policy-quarantined"));
  });
});
