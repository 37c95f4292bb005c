import assert from "node:assert/strict";
import { Quarantine } from "@/policies/sandbox/quarantine.ts";

const SETTINGS = { faults: 3, windowMs: 60_000, openMs: 30_000, maxOpenMs: 100_000 };

/** A quarantine that opened at 0. */
function opened(): Quarantine {
  const quarantine = new Quarantine();
  for (let fault = 0; fault < 3; fault++) quarantine.fail("run", 0, SETTINGS);
  return quarantine;
}

Deno.test("quarantine opens at the last of its faults within the window", () => {
  const quarantine = new Quarantine();
  const opens = [0, 1, 60_001, 60_002, 60_003].map((at) => quarantine.fail("run", at, SETTINGS));
  assert.deepEqual(opens, [null, null, null, null, 30_000]);
  assert(quarantine.open);
});

Deno.test("quarantine lets one probe through when its time is over", () => {
  const quarantine = opened();
  assert.equal(quarantine.admit(29_999), "refuse");
  assert.equal(quarantine.admit(30_000), "probe");
  assert.equal(quarantine.admit(30_000), "refuse");
  quarantine.release("probe");
  assert.equal(quarantine.admit(30_000), "probe");
  assert(quarantine.succeed("probe"));
  assert.equal(quarantine.admit(30_000), "run");
});

Deno.test("quarantine lasts twice as long with each probe that fails, up to its limit", () => {
  const quarantine = opened();
  let now = 30_000;
  const lasted = [60_000, 100_000, 100_000].map((expected) => {
    assert.equal(quarantine.admit(now), "probe");
    const ms = quarantine.fail("probe", now, SETTINGS);
    now += expected;
    return ms;
  });
  assert.deepEqual(lasted, [60_000, 100_000, 100_000]);
});

Deno.test("quarantine counts no fault of decisions that began before it opened", () => {
  const quarantine = opened();
  assert.equal(quarantine.fail("run", 10, SETTINGS), null);
  assert.equal(quarantine.admit(30_000), "probe");
});
