import assert from "node:assert/strict";
import { join } from "node:path";
import { policy } from "./policy_commands.ts";

const GOOD = `import { type Plan, planOf, type RouteContext } from "@pointsman/sdk";
export const route = (context: RouteContext): Plan => planOf(context.targets);`;

const CHECKS: readonly (readonly [string, string, number, RegExp])[] = [
  ["passes a policy that decides", GOOD, 0, /warm 32\/32 {2}deterministic 100\/100 .* ok$/],
  ["fails a wrong type", "export const route = (): number => 'x';", 1, /TS2322[^]*a\.ts:1/],
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
    "names a plan that does not hold",
    "export const route = () => ({ targetIndex: 99 });",
    3,
    /policy-ineligible-target/,
  ],
  [
    "names a top level that throws",
    "export const route = 1;\nthrow new Error('top');",
    3,
    /a\.ts:2:7 Error: top/,
  ],
  [
    "refuses what would be fetched",
    "// @ts-nocheck\nimport x from 'npm:left-pad';\nexport const route = () => x;",
    4,
    /a\.ts:2:15 cannot import/,
  ],
];

for (const [name, text, code, said] of CHECKS) {
  Deno.test(`policy check ${name}`, async () => {
    const ran = await policy({ "a.ts": text }, (dir) => ["check", join(dir, "a.ts")]);
    assert.match(ran.code === 0 ? ran.out : ran.err, said);
    assert.equal(ran.code, code, ran.err);
  });
}

Deno.test("policy check says that a file is not there", async () => {
  const { code, err } = await policy({}, (dir) => ["check", join(dir, "none.ts")]);
  assert.equal(code, 5);
  assert.match(err, /Cannot read .*none\.ts/);
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
});
