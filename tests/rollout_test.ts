import assert from "node:assert/strict";
import fc from "fast-check";
import { isMember } from "@/core/rollout.ts";
import { createLog } from "@/core/log.ts";
import { rollbackKey, RolloutGuard } from "@/core/rollout_guard.ts";
import type { Rollout } from "@/core/snapshot.ts";
import type { StateStore } from "@/core/state_store.ts";
import { groupOf } from "./builders.ts";

const at = (percent: number, salt = "") => ({ group: "fast", salt, percent });
const keys = fc.string({ minLength: 1 });
const percents = fc.integer({ min: 0, max: 10_000 }).map((steps) => steps / 100);

Deno.test("rollout keeps its members as it grows", () => {
  fc.assert(fc.property(keys, percents, percents, (key, a, b) => {
    const [small, large] = a < b ? [a, b] : [b, a];
    if (isMember(key, at(small))) assert(isMember(key, at(large)));
  }));
});

Deno.test("rollout has nobody at 0 % and everybody at 100 %", () => {
  fc.assert(fc.property(keys, (key) => {
    assert(!isMember(key, at(0)));
    assert(isMember(key, at(100)));
  }));
});

Deno.test("rollout meets its share within 1 %, and another salt has other members", () => {
  const members = (percent: number, salt = "") =>
    Array.from({ length: 50_000 }, (_, key) => isMember(`ck_${key}`, at(percent, salt)));
  const count = (of: readonly boolean[]) => of.filter(Boolean).length / of.length;
  for (const percent of [1, 10, 33.33, 90]) {
    assert(Math.abs(count(members(percent)) - percent / 100) < 0.01, `${percent}`);
  }
  const other = members(50, "b");
  const both = members(50, "a").map((member, key) => member && other[key]!);
  assert(Math.abs(count(both) - 0.25) < 0.01, "salts are independent");
});

/** The shared facts of several processes. */
function sharedState(): StateStore {
  const facts = new Map<string, unknown>();
  return {
    get: (name) => Promise.resolve(facts.get(name) ?? null),
    set: (name, value) => Promise.resolve(void facts.set(name, value)),
    delete: (name) => Promise.resolve(void facts.delete(name)),
    keep: (_, text) => Promise.resolve(text),
  };
}

const ROLLOUT: Rollout = {
  percent: 50,
  by: "conversation",
  salt: "",
  base: null,
  block: "1",
  autoRollback: {
    windowMs: 60_000,
    minDecisions: 100,
    maxErrorRate: 0.02,
    maxTimeoutRate: 0.01,
    maxFailedCallRatio: 2,
    maxCostRatio: null,
  },
};
const GROUP = groupOf({ rollout: ROLLOUT });
const FINE = { fault: null, failed: false, costNusd: null };

function guardOf(state: StateStore, world: { clock?(): number; digest?: string } = {}) {
  return new RolloutGuard({
    state,
    log: createLog({ level: "error", format: "json" }, { now: Date.now, line() {} }),
    clock: world.clock ?? (() => 0),
    groups: () => [GROUP],
    digestOf: () => world.digest ?? "d1",
  });
}

Deno.test("rollout is taken back for faults in the window, everywhere, and for this bundle and block", async () => {
  const state = sharedState();
  using first = guardOf(state);
  assert(first.isRolledBack(GROUP), "the base serves until the state is known");
  await first.look();
  assert(!first.isRolledBack(GROUP));
  for (let made = 0; made < 97; made++) first.count(GROUP, "rollout", FINE);
  for (let made = 0; made < 3; made++) {
    assert(!first.isRolledBack(GROUP));
    first.count(GROUP, "rollout", { ...FINE, fault: "policy-threw" });
  }
  assert(first.isRolledBack(GROUP), "3 of 100 are above 2 %");
  using restarted = guardOf(state);
  await restarted.look();
  assert(restarted.isRolledBack(GROUP));
  assert(!restarted.isRolledBack(groupOf({ rollout: { ...ROLLOUT, block: "2" } })));
  using mended = guardOf(state, { digest: "d2" });
  await mended.look();
  assert(!mended.isRolledBack(GROUP));
});

Deno.test("rollout of another bundle or block answers for none of the faults before it", async () => {
  const world = { digest: "d1" };
  using guard = guardOf(sharedState(), world);
  await guard.look();
  const count = (calls: number, group = GROUP, fault: "policy-threw" | null = null) => {
    for (let made = 0; made < calls; made++) guard.count(group, "rollout", { ...FINE, fault });
  };
  count(99, GROUP, "policy-threw");
  world.digest = "d2";
  count(99);
  assert(!guard.isRolledBack(GROUP));
  count(9, GROUP, "policy-threw");
  assert(guard.isRolledBack(GROUP));
  const next = groupOf({ rollout: { ...ROLLOUT, block: "2" } });
  count(99, next, "policy-threw");
  const last = groupOf({ rollout: { ...ROLLOUT, block: "3" } });
  count(100, last);
  assert(!guard.isRolledBack(last));
});

Deno.test("rollout forgets faults that left the window, and compares failed calls with the base", async () => {
  let now = 0;
  using guard = guardOf(sharedState(), { clock: () => now });
  await guard.look();
  for (let made = 0; made < 3; made++) {
    guard.count(GROUP, "rollout", { ...FINE, fault: "policy-threw" });
  }
  now = 120_000;
  for (let made = 0; made < 120; made++) guard.count(GROUP, "rollout", FINE);
  assert(!guard.isRolledBack(GROUP));
  for (let made = 0; made < 200; made++) {
    guard.count(GROUP, "base", { ...FINE, failed: made % 20 === 0 });
  }
  for (let made = 0; made < 20; made++) guard.count(GROUP, "rollout", { ...FINE, failed: true });
  assert(guard.isRolledBack(GROUP), "14 % fail, of the base's 5 %");
});

for (const fault of ["policy-timeout", "policy-killed"] as const) {
  Deno.test(`rollout is taken back for a policy that takes too long: ${fault}`, async () => {
    using guard = guardOf(sharedState());
    await guard.look();
    for (let made = 0; made < 110; made++) guard.count(GROUP, "rollout", FINE);
    guard.count(GROUP, "rollout", { ...FINE, fault });
    assert(!guard.isRolledBack(GROUP));
    guard.count(GROUP, "rollout", { ...FINE, fault });
    assert(guard.isRolledBack(GROUP), "2 of 112 are above 1 %");
  });
}

Deno.test("rollout is taken back for failed calls, and for cost, where the base has none", async () => {
  const limits = { maxFailedCallRatio: 2, maxCostRatio: 2 };
  const autoRollback = { ...ROLLOUT.autoRollback!, ...limits };
  for (const bad of [{ failed: true }, { costNusd: 5 }]) {
    const group = groupOf({ rollout: { ...ROLLOUT, autoRollback } });
    using guard = guardOf(sharedState());
    await guard.look();
    for (let made = 0; made < 200; made++) {
      guard.count(group, "base", { ...FINE, costNusd: 0 });
      guard.count(group, "rollout", { ...FINE, costNusd: 0 });
    }
    assert(!guard.isRolledBack(group));
    for (let made = 0; made < 3; made++) {
      guard.count(group, "rollout", { ...FINE, costNusd: 0, ...bad });
    }
    assert(guard.isRolledBack(group), `3 of 203: ${JSON.stringify(bad)}`);
  }
});

Deno.test("rollback that could not be stored is stored later, and ends when it is resumed", async () => {
  const shared = sharedState();
  let down = true;
  const state: StateStore = {
    ...shared,
    set: (name, value) => down ? Promise.reject(new Error("down")) : shared.set(name, value),
  };
  using guard = guardOf(state);
  using other = guardOf(shared);
  const look = () => Promise.all([guard.look(), other.look()]);
  await look();
  for (let made = 0; made < 100; made++) {
    guard.count(GROUP, "rollout", { ...FINE, fault: "policy-threw" });
  }
  await look();
  assert.deepEqual([guard, other].map((it) => it.isRolledBack(GROUP)), [true, false]);
  down = false;
  await guard.look();
  await look();
  assert.deepEqual([guard, other].map((it) => it.isRolledBack(GROUP)), [true, true]);
  await shared.delete(rollbackKey(GROUP.name));
  await look();
  assert.deepEqual([guard, other].map((it) => it.isRolledBack(GROUP)), [false, false]);
});

Deno.test("rollback that could not be stored outlives an older one of another bundle", async () => {
  const shared = sharedState();
  let down = false;
  const state: StateStore = {
    ...shared,
    set: (name, value) => down ? Promise.reject(new Error("down")) : shared.set(name, value),
  };
  const world = { digest: "d1" };
  using guard = guardOf(state, world);
  await guard.look();
  const fail = () => {
    for (let made = 0; made < 100; made++) {
      guard.count(GROUP, "rollout", { ...FINE, fault: "policy-threw" });
    }
  };
  fail();
  await guard.look();
  world.digest = "d2";
  assert(!guard.isRolledBack(GROUP), "another bundle has its own chance");
  down = true;
  fail();
  await guard.look();
  assert(guard.isRolledBack(GROUP), "what this process knows holds");
  down = false;
  await guard.look();
  using other = guardOf(state, world);
  await other.look();
  assert(other.isRolledBack(GROUP), "and is told to the others in the end");
});

Deno.test("rollback is not forgotten for what the store said before it", async () => {
  const shared = sharedState();
  const slow = Promise.withResolvers<void>();
  let late = false;
  const state: StateStore = {
    ...shared,
    async get(name) {
      const value = await shared.get(name);
      if (late) await slow.promise;
      return value;
    },
  };
  using guard = guardOf(state);
  await guard.look();
  late = true;
  const looking = guard.look();
  await shared.get("");
  for (let made = 0; made < 100; made++) {
    guard.count(GROUP, "rollout", { ...FINE, fault: "policy-threw" });
  }
  await shared.get("");
  slow.resolve();
  await looking;
  assert(guard.isRolledBack(GROUP));
});
