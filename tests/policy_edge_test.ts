import assert from "node:assert/strict";
import { contextOf, targetsWeighing } from "./builders.ts";
import { policyCode, startHost, type TestHost } from "./policy_support.ts";

/** How often a policy ends near its deadline; `HOSTILE_RUNS=10000` for a long watch. */
const RUNS = Number(Deno.env.get("HOSTILE_RUNS") ?? 60);
const TIMEOUT_MS = 10;

const SPINS = policyCode(
  "let n = 0; for (let i = 0; i < ctx.turns; i++) n += i; return " +
    "{ targetIndex: 0, metadata: { n } }",
);

/** Runs so many turns; gives how it ended, and after how many ms. */
async function spin({ decide }: TestHost, turns: number): Promise<readonly [string, number]> {
  const started = performance.now();
  const answer = await decide({ ...contextOf(targetsWeighing([1])), turns });
  return [answer.kind === "fault" ? answer.fault : answer.kind, performance.now() - started];
}

Deno.test(`policy that ends within 2 % of its deadline harms nobody, ${RUNS} times`, async () => {
  const ends = new Map<string, number>();
  let test = await startHost(SPINS, { timeoutMs: TIMEOUT_MS });
  let turns = 100_000;
  try {
    for (let run = 0; run < RUNS; run++) {
      const share = 0.98 + 0.04 * (run % 9) / 8;
      const [end, ms] = await spin(test, Math.round(turns * share));
      ends.set(end, (ends.get(end) ?? 0) + 1);
      // Towards the deadline, whatever else the machine does: a few percent at a time.
      turns *= end === "plan" ? Math.min(4, Math.max(1.02, TIMEOUT_MS / ms)) : 0.97;
      if (test.host.alive) continue;
      await test[Symbol.asyncDispose]();
      test = await startHost(SPINS, { timeoutMs: TIMEOUT_MS });
    }
  } finally {
    await test[Symbol.asyncDispose]();
  }
  const known = ["plan", "policy-timeout", "policy-killed"];
  assert.deepEqual([...ends.keys()].filter((end) => !known.includes(end)), []);
  assert(ends.size > 1, `it never came near: ${JSON.stringify([...ends])}`);
});
