import assert from "node:assert/strict";
import { runHostile } from "../hostile_run.ts";

Deno.test("hostile policies, mixed and several at once, leave the gateway as they found it", async () => {
  const { ends, wrong, others, memoryMb, idleCores } = await runHostile(60, () => {});
  assert.deepEqual(wrong, []);
  assert(ends.size > 5, `they end in many ways: ${[...ends.keys()]}`);
  assert(others.length > 0);
  assert(memoryMb.after < memoryMb.before + 64, JSON.stringify(memoryMb));
  assert(idleCores < 0.5, `${idleCores} cores are busy without a call`);
});
