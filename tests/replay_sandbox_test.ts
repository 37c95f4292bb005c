import assert from "node:assert/strict";
import { ReplaySandbox } from "@/policies/replay/sandbox.ts";
import { policyCode } from "./policy_support.ts";

Deno.test("replay decides on all of a batch, though two of its contexts end the process", async () => {
  const code = policyCode(`
    if (ctx.ends) "x".repeat(2 ** 28).split("");
    return { targetIndex: ctx.n }`);
  await using sandbox = new ReplaySandbox(code);
  const contexts = [0, 1, 2, 3, 4].map((n) => JSON.stringify({ n, ends: n === 1 || n === 3 }));
  const answers = await sandbox.decideAll(contexts);
  assert.deepEqual(
    answers.map((answer) => answer.kind === "plan" ? answer.text : answer.kind),
    ['{"targetIndex":0}', "fault", '{"targetIndex":2}', "fault", '{"targetIndex":4}'],
  );
});
