import assert from "node:assert/strict";
import { join } from "node:path";
import { checkPolicy } from "@/policies/check.ts";
import { policy } from "./policy_commands.ts";
import { reply, startUpstream } from "./upstream.ts";

const GOOD = `import { type Plan, planOf, type RouteContext } from "@pointsman/sdk";
export const route = (context: RouteContext): Plan => planOf(context.targets);`;

const CHECKS: readonly (readonly [string, string, number, RegExp])[] = [
  [
    "passes a policy that decides",
    GOOD,
    0,
    /warm 32\/32 {2}deterministic 100\/100 .* heap \d+ MB {2}ok$/,
  ],
  [
    "fails a wrong type",
    "export const route = (): number => 'x';",
    1,
    /^TS2322[^]*a\.ts:1[^]*checking failed\.$/,
  ],
  [
    "fails a policy with state",
    "let n = 0;\nexport const route = () => ({ targetIndex: 0, metadata: { n: n++ } });",
    1,
    /another plan/,
  ],
  [
    "names where a policy throws",
    "export function route() {\n  throw new Error('why');\n}",
    3,
    /a\.ts:2:9 policy-threw: Error: why/,
  ],
  [
    "goes on after a decision that takes too long, and names the fault",
    `export const route = (ctx: { seed: number }) => {
  while (ctx.seed % 9 === 0);
  return { targetIndex: 0 };
};`,
    3,
    /^[^]*policy-(?:timeout|killed)(?![^]*another plan)/,
  ],
  [
    "names a plan that does not hold",
    "export const route = () => ({ targetIndex: 99 });",
    3,
    /a\.ts: policy-ineligible-target: an index is none of `context.targets`/,
  ],
  [
    "names a top level that throws",
    "export const route = 1;\nthrow new Error('top');",
    3,
    /a\.ts:2:7 Error: top/,
  ],
  [
    "refuses what would be fetched",
    "import x from 'npm:left-pad';\nexport const route = () => x;",
    4,
    /a\.ts:1:15 cannot import/,
  ],
];

for (const [name, text, code, said] of CHECKS) {
  Deno.test(`policy check ${name}`, async () => {
    const ran = await policy({ "a.ts": text }, (dir) => ["check", join(dir, "a.ts")]);
    assert.match(ran.code === 0 ? ran.out : ran.err, said);
    assert.equal(ran.code, code, ran.err);
  });
}

for (
  const [file, said] of [
    ["none.ts", /Cannot read ".*none\.ts": there is no such file$/],
    ["", /Cannot read ".*": it is a folder$/],
  ] as const
) {
  Deno.test(`policy check says what it cannot read: "${file}"`, async () => {
    const { code, err } = await policy({}, (dir) => ["check", join(dir, file)]);
    assert.equal(code, 5);
    assert.match(err, said);
  });
}

Deno.test("policy check --json leaves open what has no place", async () => {
  const files = { "a.ts": "export const route = () => ({ targetIndex: 99 });" };
  const { out } = await policy(files, (dir) => ["check", join(dir, "a.ts"), "--json"]);
  const [{ file: _, ...fault }] = JSON.parse(out).faults;
  const message = "policy-ineligible-target: an index is none of `context.targets`";
  assert.deepEqual(fault, { line: null, column: null, message, kind: "broken" });
});

Deno.test("policy check tells of a process that is gone in the words of the gateway", async () => {
  const nowhere = { file: "a.ts", line: 0, column: 0, message: "", kind: "broken" } as const;
  const { faults } = await checkPolicy({
    bundle: { code: "", digest: "", bytes: 0, map: "", sources: {} },
    decide: () => Promise.resolve({ kind: "lost" }),
    ungranted: new Set(),
    heapBytes: () => Promise.resolve(null),
    explain: () => nowhere,
    [Symbol.asyncDispose]: () => Promise.resolve(),
  });
  assert.deepEqual(faults, [{ ...nowhere, message: "policy-unavailable" }]);
});

Deno.test("policy status makes no state, and says that there is none", async () => {
  const { code, err } = await policy(
    { "config.yaml": granting([]) },
    (dir) => ["status", "--config", join(dir, "config.yaml")],
  );
  assert.equal(code, 5);
  assert.match(err, /^Cannot open the state ".*": there is no file; a gateway makes it$/);
});

Deno.test("policy replay says what it is that cannot be used", async () => {
  const { code, err } = await policy({}, (dir) => ["replay", "--db", join(dir, "none.sqlite")]);
  assert.equal(code, 5);
  assert.match(err, /^Cannot use the usage database: there is no file /);
});

Deno.test("policy test decides on the cases in the sandbox, and tells what differs", async () => {
  const cases = `import { context, testPolicy } from "@pointsman/sdk/testing";
import { route } from "./a.ts";
const targets = [{ id: "one" }, { id: "two" }];
testPolicy(route, [
  { name: "first case", given: context({ targets }), target: "one", fallbacks: ["two"] },
  { name: "second case", given: context({ targets }), target: "two" },
]);`;
  const files = { "a.ts": GOOD, "a_test.ts": cases };
  const both = await policy(files, (dir) => ["test", dir]);
  assert.equal(both.code, 1);
  assert.match(
    both.out,
    /^ok {2}first case\nFAILED {2}second case\n +target: expected "two", found "one"/,
  );
  assert.match(both.out, /1 passed, 1 failed$/);
  const first = await policy(files, (dir) => ["test", dir, "--filter", "first"]);
  assert.deepEqual([first.code, first.out.split("\n").at(-1)], [0, "1 passed, 0 failed"]);
  for (const filter of ["third", "First"]) {
    const none = await policy(files, (dir) => ["test", dir, "--filter", filter]);
    assert.equal(none.code, 2);
    assert.match(none.err, new RegExp(`Cannot find a case in ".*" whose name holds "${filter}"$`));
  }
  const empty = "testPolicy(route, []);";
  const without = { ...files, "a_test.ts": cases.replace(/testPolicy\([^]*/, empty) };
  const nothing = await policy(without, (dir) => ["test", dir]);
  assert.equal(nothing.code, 5);
  assert.match(nothing.err, /Cannot find cases in ".*"$/);
});

const FAILING = `import { context, testPolicy } from "@pointsman/sdk/testing";
import { route } from "./a.ts";
const targets = [{ id: "one" }];
testPolicy(route as never, [
  { name: "throws", given: context({ targets, seed: 1 }) },
  { name: "no plan", given: context({ targets, seed: 2 }) },
]);`;
const FAILS = `export const route = (context: { seed: number }) => {
  if (context.seed === 1) throw new TypeError("why");
  return { order: [0] };
};`;
const NO_TARGET = "it has neither `targetIndex` nor `target`";

Deno.test("policy test and testPolicy say where a policy threw, and what is wrong with a plan", async () => {
  const files = { "a.ts": FAILS, "a_test.ts": FAILING };
  const { code, out } = await policy(files, (dir) => ["test", dir]);
  assert.equal(code, 1);
  assert.match(out, /found "policy-threw" \(TypeError: why at .*a\.ts:2:33\)/);
  assert(out.includes(`found "policy-plan-invalid" (${NO_TARGET})`), out);
  const dir = await Deno.makeTempDir();
  try {
    for (const [name, text] of Object.entries(files)) Deno.writeTextFileSync(join(dir, name), text);
    const config = new URL("../deno.json", import.meta.url).pathname;
    const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["test", "--no-check", "--no-prompt", "--config", config, join(dir, "a_test.ts")],
      env: { NO_COLOR: "1" },
    }).output();
    const said = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
    assert.match(said, /found "policy-threw" \(TypeError: why\)[^]*Caused by: .*\n.*a\.ts:2:33/);
    assert(said.includes(`found "policy-plan-invalid" (${NO_TARGET})`), said);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

/** A policy that asks the server at this URL. */
const asking = (url: string) =>
  `import { type Plan, type RouteContext, type Router } from "@pointsman/sdk";
declare const router: Router;
export async function route({ targets }: RouteContext): Promise<Plan> {
  const { body } = await router.fetchJSON("${url}/best");
  return { targetIndex: Math.min(Number(body), targets.length - 1), fallbackIndexes: [] };
}`;

/** A configuration whose group has the policy `a.ts`, and grants these hosts. */
const granting = (net: readonly string[]) =>
  JSON.stringify({
    server: { listen: "127.0.0.1:0" },
    providers: { echo: { base_url: "builtin:echo", dialect: "openai-chat" } },
    models: {
      fast: {
        strategy: "script",
        script: "a.ts",
        script_timeout_ms: 1_000,
        ...(net.length > 0 ? { script_permissions: { net } } : {}),
        script_http: { timeout_ms: 5_000, headers: { authorization: "Bearer of-the-group" } },
        targets: [{ provider: "echo", model: "echo" }],
      },
    },
    callers: [],
  });

const ASKING_CASES = `import { context, testPolicy } from "@pointsman/sdk/testing";
import { route } from "./a.ts";
testPolicy(route, [
  { name: "asked", given: context({ targets: [{ id: "one" }, { id: "two" }] }), target: "two" },
]);`;

Deno.test("policy check and test ask the servers that the group grants", async () => {
  await using server = await startUpstream(reply("1"));
  const files = {
    "a.ts": asking(server.url),
    "a_test.ts": ASKING_CASES,
    "config.yaml": granting([new URL(server.url).host]),
  };
  const checked = await policy(files, (dir) => [
    "check",
    join(dir, "a.ts"),
    "--config",
    join(dir, "config.yaml"),
    "--group",
    "fast",
  ]);
  assert.deepEqual([checked.code, checked.err], [0, ""]);
  assert.match(checked.out, /net: 127\.0\.0\.1:\d+\nwarm 32\/32 /);
  assert.equal(server.requests[0]?.headers.get("authorization"), "Bearer of-the-group");
  const tested = await policy(
    files,
    (dir) => ["test", dir, "--config", join(dir, "config.yaml")],
  );
  assert.equal(tested.code, 0, tested.out);
});

Deno.test("policy check and test name the grant that a policy lacks", async () => {
  const files = {
    "a.ts": asking("https://features.example"),
    "a_test.ts": ASKING_CASES,
    "config.yaml": granting(["127.0.0.1:9"]),
    "none.yaml": granting([]),
  };
  const lacks = /not granted: "features\.example:443"/;
  const check = (dir: string, ...more: readonly string[]) => ["check", join(dir, "a.ts"), ...more];
  const group = (dir: string, name: string) => ["--config", join(dir, name), "--group", "fast"];
  const alone = await policy(files, (dir) => check(dir));
  assert.equal(alone.code, 3);
  assert.match(alone.err, lacks);
  const none = await policy(files, (dir) => check(dir, ...group(dir, "none.yaml")));
  assert.equal(none.code, 3);
  assert.match(none.err, /router is not defined[^]*its group grants no host/);
  const tested = await policy(files, (dir) => ["test", dir, ...group(dir, "config.yaml")]);
  assert.equal(tested.code, 1);
  assert.match(tested.out, lacks);
  const stray = await policy(
    { ...files, "b.ts": GOOD, "b_test.ts": ASKING_CASES.replace("./a.ts", "./b.ts") },
    (dir) => ["test", join(dir, "b_test.ts"), "--config", join(dir, "config.yaml")],
  );
  assert.equal(stray.code, 2);
  assert.match(stray.err, /Cannot find a group whose script is/);
});
