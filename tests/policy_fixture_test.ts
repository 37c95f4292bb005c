import assert from "node:assert/strict";
import { join } from "node:path";
import { runPolicy } from "./policy_commands.ts";
import { shipRecorded, staticsOf, testCall } from "./replay_calls.ts";
import { makePlace, requestId } from "./storage_fixture.ts";

const LAST = `export const route = (context) => ({
  targetIndex: context.targets.length - 1, fallbackIndexes: [],
});`;

const CASES = `import { testPolicy } from "@pointsman/sdk/testing";
import { route } from "./last.ts";
testPolicy(route as never, [
  { name: "recorded", fixture: "call.json" },
  { name: "stated", fixture: "call.json", fallbacks: [] },
]);`;

Deno.test("a recorded decision is exported, and is a case that --update brings up to date", async () => {
  using place = makePlace();
  const calls = Array.from({ length: 9 }, (_, n) => testCall(n + 1, "failover"));
  await using _ = await shipRecorded(place, { calls, statics: staticsOf("failover") });
  const several = calls.find(({ decision }) =>
    String(decision.rows["request_decision_records"]![0]!["plan_json"]).includes("[1")
  )!;
  const fixture = join(place.folder, "call.json");
  const db = ["--db", place.usageDb.path];
  const exported = await runPolicy([
    "export-fixture",
    several.decision.requestId,
    ...db,
    "-o",
    fixture,
  ]);
  assert.equal(exported.code, 0, exported.err);
  const { version, context, plan, policyDigest } = JSON.parse(Deno.readTextFileSync(fixture));
  assert.deepEqual([version, plan.targetIndex, policyDigest], [1, 0, null]);
  assert.equal(context.requestId, several.decision.requestId);
  assert.equal(context.targets[0].provider, "p1".replace("1", context.targets[0].id.slice(1)));

  Deno.writeTextFileSync(join(place.folder, "last.ts"), LAST);
  Deno.writeTextFileSync(join(place.folder, "last_test.ts"), CASES);
  const failed = await runPolicy(["test", place.folder]);
  assert.equal(failed.code, 1, failed.err);
  assert.match(failed.out, /FAILED {2}recorded\n +plan: expected .*"targetIndex":0/);
  assert.match(failed.out, /ok {2}stated/);
  const updated = await runPolicy(["test", place.folder, "--update"]);
  assert.equal(updated.code, 0, updated.out + updated.err);
  const after = JSON.parse(Deno.readTextFileSync(fixture));
  assert.equal(after.plan.targetIndex, context.targets.length - 1);
  assert.match(after.policyDigest, /^[0-9a-f]{64}$/);
});

Deno.test("a decision that is not recorded cannot be exported", async () => {
  using place = makePlace();
  await using _ = await shipRecorded(place, { calls: [], statics: staticsOf("failover") });
  const { code, err } = await runPolicy([
    "export-fixture",
    requestId(1),
    "--db",
    place.usageDb.path,
  ]);
  assert.deepEqual([code, /is not recorded/.test(err)], [5, true]);
});

Deno.test("policy replay prints a report, and refuses what it does not know", async () => {
  using place = makePlace();
  const calls = Array.from({ length: 9 }, (_, n) => testCall(n + 1, "failover"));
  await using _ = await shipRecorded(place, { calls, statics: staticsOf("failover") });
  const db = ["--db", place.usageDb.path];
  const ran = await runPolicy(["replay", ...db, "--policy", "stored", "--jobs", "1"]);
  assert.equal(ran.code, 0, ran.err);
  assert.match(ran.out, /^proof +9 recorded {2}9 re-decided {2}9 identical {2}0 different$/m);
  assert.match(ran.out, /^candidate .* delta USD 0 {2}0\.0 %$/m);
  assert.equal((await runPolicy(["replay", ...db, "--policy", "script"])).code, 2);
  assert.equal((await runPolicy(["replay", ...db, "--since", "yesterday"])).code, 2);
  assert.equal((await runPolicy(["replay", ...db, "--policy", "/no/such.ts"])).code, 5);
  assert.equal((await runPolicy(["replay", "--db", "/no/such.sqlite"])).code, 5);
});
