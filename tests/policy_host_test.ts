import assert from "node:assert/strict";
import { checkPlan } from "@/core/plan.ts";
import { GatewayError } from "@/core/errors.ts";
import type { HostAnswer } from "@/policies/sandbox/policy_host.ts";
import { openRealm } from "@/policies/sandbox/realm.ts";
import { contextOf, targetsWeighing } from "./builders.ts";
import { HOSTILE } from "./policy_cases.ts";
import { isRunning, policyCode, startHost } from "./policy_support.ts";
import { until } from "./until.ts";

const CONTEXT = contextOf(targetsWeighing([1, 1]));

/** What the gateway would call an answer. */
function nameOf(answer: HostAnswer): string {
  if (answer.kind === "fault") return answer.fault;
  if (answer.kind === "lost") return "lost";
  try {
    checkPlan(JSON.parse(answer.text), CONTEXT);
    return "plan";
  } catch (error) {
    return error instanceof GatewayError ? String(error.details["fault"]) : String(error);
  }
}

for (const { name, body, top, ends, host: expected } of HOSTILE) {
  Deno.test(`policy host contains ${name}`, async () => {
    const { host, decide, ...test } = await startHost(policyCode(body, top));
    try {
      const end = nameOf(await decide(CONTEXT));
      assert(ends.some((fault) => fault === end), `it ended as ${end}`);
      if (expected === "lives") {
        assert(host.alive);
        assert.equal(nameOf(await decide(CONTEXT)), end, "the next decision is like the first");
      }
    } finally {
      await test[Symbol.asyncDispose]();
    }
    assert(!isRunning(host.pid!));
  });
}

for (const specifier of ["node:fs", "https://localhost/x.js", "data:text/javascript,1"]) {
  Deno.test(`policy host imports nothing for a bundle made by hand: ${specifier}`, async () => {
    await using test = await startHost(policyCode(`return import("${specifier}")`));
    assert.equal(nameOf(await test.decide()), "policy-threw");
  });
}

Deno.test("policy host stops a loop by itself, and lives", async () => {
  const code = policyCode("if (ctx.loops) for (;;); return { targetIndex: 0 }");
  // A busy machine may be late to see it, but not each time.
  for (let round = 0;; round++) {
    await using test = await startHost(code);
    const end = nameOf(await test.decide({ loops: true }));
    if (end === "policy-killed" && round < 20) continue;
    assert.equal(end, "policy-timeout");
    assert.equal(nameOf(await test.decide()), "plan");
    return;
  }
});

/** More decisions in time than the engine guards. */
async function decideOften(decide: () => Promise<HostAnswer>): Promise<void> {
  for (let round = 0; round < 21; round++) {
    const ends = await Promise.all(Array.from({ length: 50 }, decide));
    assert(ends.every((end) => nameOf(end) === "plan"), ends.map(nameOf).join());
  }
}

const LOOPS = "if (ctx.loops) for (;;); return { targetIndex: 0 }";

for (
  const [what, body] of [
    ["", LOOPS],
    ["in a promise ", `return Promise.resolve().then(() => { ${LOOPS} })`],
  ] as const
) {
  Deno.test(`policy host ends a loop ${what}after many quick decisions with its process`, async () => {
    await using test = await startHost(policyCode(body), { timeoutMs: 500 });
    await decideOften(() => test.decide());
    const answers = await Promise.all([test.decide({ loops: true }), test.decide()]);
    assert.deepEqual(answers.map(nameOf), ["policy-killed", "lost"]);
    await test.host.ended;
    assert(!isRunning(test.host.pid!));
  });
}

Deno.test("policy host decides on a batch as on each context, but for what it must ask alone", async () => {
  const code = policyCode(`
    if (ctx.what === "throws") throw new Error();
    if (ctx.what === "nothing") return;
    if (ctx.what === "promise") return Promise.resolve({ targetIndex: 1 });
    return { targetIndex: 0, classLabel: String([ctx.what, ctx.n, Date.now(), Math.random()]) }`);
  await using test = await startHost(code);
  const whats = ["throws", "plan", "nothing", "plan", "promise", "plan"];
  const contexts = whats.map((what, n) => ({ what, n, now: 1_000 * n, seed: n }));
  const alone = await Promise.all(contexts.map((context) => test.decide(context)));
  const plans = await test.host.decideAll(contexts.map((context) => JSON.stringify(context)));
  const isPlan = (index: number) => whats[index] === "plan";
  assert.deepEqual(
    plans,
    alone.map((end, n) => isPlan(n) && end.kind === "plan" ? end.text : null),
  );
});

for (const end of ["for (;;);", '"x".repeat(2 ** 28).split("");']) {
  Deno.test(`policy host has no plan for a batch that does not end: ${end}`, async () => {
    const code = policyCode(`if (ctx.n === 1) { ${end} } return { targetIndex: 0 }`);
    await using test = await startHost(code);
    const plans = await test.host.decideAll(['{"n":0}', '{"n":1}', '{"n":2}']);
    assert.deepEqual(plans, [null, null, null]);
  });
}

Deno.test("realm has no plan of a decision that nothing stopped and that is late", () => {
  const code = policyCode("for (let n = 0; n < 1e8; n++); return { targetIndex: 0 }");
  const realm = openRealm({ code, timeoutMs: 1, heapMb: 64, traces: false });
  assert.equal(realm.decide('{"now":0,"seed":0}', false).text, '{"fault":"policy-timeout"}');
  assert(realm.spent);
});

Deno.test("policy host takes no plan that an earlier decision left behind", async () => {
  const keeps = "if (ctx.first) return new Promise((resolve) => settle = resolve);";
  const code = policyCode(
    `${keeps} settle({ targetIndex: 0 }); return new Promise(() => {})`,
    "let settle;",
  );
  await using test = await startHost(code);
  assert.equal(nameOf(await test.decide({ first: true })), "policy-never-settled");
  assert.equal(nameOf(await test.decide()), "policy-never-settled");
});

Deno.test("policy host answers what comes after a policy that was stopped", async () => {
  const code = policyCode("if (ctx.loops) for (;;); return { targetIndex: 1 }");
  await using test = await startHost(code, { timeoutMs: 100 });
  const answers = await Promise.all([test.decide({ loops: true }), test.decide(), test.decide()]);
  const [first, ...rest] = answers.map(nameOf);
  assert(first === "policy-timeout" || first === "policy-killed");
  const expected = test.host.alive ? "plan" : "lost";
  assert.deepEqual(rest, [expected, expected]);
});

Deno.test("policy host that is killed blames the decision under way and loses the others", async () => {
  const code = policyCode('if (ctx.eats) "x".repeat(2 ** 28).split(""); return { targetIndex: 0 }');
  await using test = await startHost(code);
  const answers = await Promise.all([test.decide({ eats: true }), test.decide(), test.decide()]);
  const [first, ...rest] = answers.map(nameOf);
  assert(first === "policy-killed" || first === "policy-oom", first);
  assert.deepEqual(rest, ["lost", "lost"]);
  await test.host.ended;
  assert(!isRunning(test.host.pid!));
});

Deno.test("policy host that was stopped from outside is killed at its deadline", async () => {
  await using test = await startHost(policyCode("return { targetIndex: 0 }"));
  Deno.kill(test.host.pid!, "SIGSTOP");
  // The signal reaches the process a moment later: until then it decides.
  let end: string;
  do end = nameOf(await test.decide()); while (end === "plan");
  assert.equal(end, "policy-killed");
  await test.host.ended;
});

Deno.test("policy host that is killed from outside fails what it decided", async () => {
  await using test = await startHost(policyCode("for (;;);"), { timeoutMs: 1_000 });
  const answer = test.decide();
  Deno.kill(test.host.pid!, "SIGKILL");
  assert.equal(nameOf(await answer), "policy-crashed");
  assert.deepEqual(test.told, ["ended"]);
});

/** How a host ends; a busy machine may be too slow for its deadline, but not each time. */
async function endOf(code: string, limits: Parameters<typeof startHost>[1]): Promise<string> {
  for (let round = 0;; round++) {
    await using test = await startHost(code, limits);
    const end = nameOf(await test.decide());
    if (!["policy-killed", "policy-timeout"].includes(end) || round === 20) return end;
  }
}

Deno.test("policy host stays below its memory, and says why it ended", async () => {
  const code = policyCode("const a = []; for (;;) a.push(new Uint8Array(16e6).fill(1));");
  assert.equal(await endOf(code, { timeoutMs: 1_000, heapMb: 16 }), "policy-oom");
});

Deno.test("policy host dies of its engine's limit, and says why it ended", async () => {
  const code = policyCode("const a = []; for (;;) a.push(new Array(1e5).fill(1.5));");
  assert.equal(await endOf(code, { timeoutMs: 1_000, heapMb: 16 }), "policy-oom");
});

for (const [what, leak] of [["", "new Array(1e5)"], [" of bytes", "new Uint8Array(1e6)"]]) {
  Deno.test(`policy host with a slow leak${what} asks for its replacement`, async () => {
    const code = policyCode(
      `leak.push(${leak}.fill(1.5)); return { targetIndex: 0 }`,
      "var leak = [];",
    );
    await using test = await startHost(code, { heapMb: 24, timeoutMs: 1_000 });
    while (!test.told.includes("worn")) assert.equal(nameOf(await test.decide()), "plan");
  });
}

Deno.test("policy host gives a decision its time, whatever it does between two of them", async () => {
  // Its top level runs again with the realm that makes the 200th plan once more.
  const code = policyCode("return { targetIndex: 0 }", "for (let n = 0; n < 6e8; n++);");
  await using test = await startHost(code, { timeoutMs: 150 });
  assert.equal(test.refused, null);
  await decideOften(() => test.decide());
});

Deno.test("policy host finds a policy that is no function of its context", async () => {
  await using test = await startHost(policyCode("return { targetIndex: n++ % 2 }", "let n = 0;"));
  await Promise.all(Array.from({ length: 202 }, () => test.decide()));
  assert.deepEqual(test.told, ["differs"]);
});

Deno.test("policy host forgets what a policy kept after ten thousand decisions", async () => {
  await using test = await startHost(
    policyCode("return { targetIndex: 0, metadata: { n: n++ } }", "let n = 0;"),
  );
  let last: HostAnswer | null = null;
  for (let batch = 0; batch < 101; batch++) {
    last = (await Promise.all(Array.from({ length: 100 }, () => test.decide()))).at(-1)!;
  }
  assert(last?.kind === "plan");
  assert.equal(JSON.parse(last.text).metadata.n, 99);
});

/** What a top level ends as; piled up microtasks may outlast the margin while memory is cleaned up. */
const LOADS: readonly (readonly [string, string, ...string[]])[] = [
  ["a top level that does not end", "for (;;);", "policy-timeout"],
  [
    "microtasks of a top level that do not end",
    "const f = () => Promise.resolve().then(f); f();",
    "policy-timeout",
    "policy-killed",
    "policy-oom",
  ],
  ["a top level that throws", "throw new Error('top');", "policy-threw"],
  [
    "a top level that throws a trap",
    "throw new Proxy({}, { get() { throw 1; } });",
    "policy-threw",
  ],
];

for (const [name, top, ...faults] of LOADS) {
  Deno.test(`policy host refuses ${name}`, async () => {
    await using test = await startHost(policyCode("return { targetIndex: 0 }", top));
    assert(test.refused?.kind === "fault" && faults.includes(test.refused.fault));
  });
}

Deno.test("policy host refuses a bundle without route", async () => {
  await using test = await startHost("var __policy = { other() {} };");
  assert.equal(test.refused?.kind === "fault" && test.refused.fault, "policy-output-invalid");
});

Deno.test("policy host ends when its gateway is gone", async () => {
  const script = `
    import { createDeadlines } from "@/core/deadlines.ts";
    import { PolicyHost } from "@/policies/sandbox/policy_host.ts";
    import { openProcess } from "@/policies/sandbox/process_link.ts";
    const clock = () => performance.now();
    const host = new PolicyHost({ deadlines: createDeadlines(clock), clock, open: openProcess, heapMb: 64 });
    await host.load({ code: ${
    JSON.stringify(policyCode("for (;;);"))
  }, timeoutMs: 1000, heapMb: 64, traces: false }, { onWorn() {}, onDiffers() {}, onEnd() {} });
    void host.decide(JSON.stringify({ now: 1, seed: 1 }));
    await new Promise((go) => setTimeout(go, 20));
    console.log(host.pid!);
    await new Promise(() => setInterval(() => {}, 1000));
  `;
  const root = new URL("../", import.meta.url);
  const parent = new Deno.Command(Deno.execPath(), {
    args: ["run", "--allow-all", "--ext=ts", "-"],
    cwd: root,
    stdin: "piped",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const writer = parent.stdin.getWriter();
  await writer.write(new TextEncoder().encode(script));
  await writer.close();
  const reader = parent.stdout.getReader();
  const { value } = await reader.read();
  const pid = Number(new TextDecoder().decode(value));
  assert(isRunning(pid));
  parent.kill("SIGKILL");
  await reader.cancel();
  await parent.status;
  await until(() => !isRunning(pid));
});
