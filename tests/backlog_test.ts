import assert from "node:assert/strict";
import { createBacklog } from "@/storage/backlog.ts";
import { NOW } from "./builders.ts";

/** A backlog at a clock that tests move, with its log events. */
function backlogAt(limits = { maxUnshippedBytes: 0, onFull: "refuse" as "refuse" | "warn" }) {
  const clock = { now: NOW };
  const events: string[] = [];
  const log = { configure: () => {}, write: (_: string, event: string) => void events.push(event) };
  return { backlog: createBacklog(limits, { log, now: () => clock.now }), clock, events };
}

Deno.test("backlog counts nothing before the store has spoken", () => {
  const { backlog } = backlogAt();
  backlog.add(100);
  assert.deepEqual([backlog.bytes, backlog.lagMs], [0, 0]);
});

Deno.test("backlog lags as long as its oldest line waits", () => {
  const { backlog, clock } = backlogAt();
  backlog.set(0);
  clock.now += 3_600_000;
  backlog.add(100);
  clock.now += 5_000;
  backlog.add(50);
  clock.now += 5_000;
  assert.deepEqual([backlog.bytes, backlog.lagMs], [150, 10_000]);
  backlog.set(50);
  assert.deepEqual([backlog.bytes, backlog.lagMs], [50, 5_000]);
  backlog.set(0);
  assert.deepEqual([backlog.bytes, backlog.lagMs], [0, 0]);
});

Deno.test("backlog that is never empty lags no longer than its oldest line", () => {
  const { backlog, clock } = backlogAt();
  backlog.set(0);
  for (let second = 0; second < 100; second++) {
    backlog.add(10);
    clock.now += 1_000;
    backlog.set(20);
  }
  assert(backlog.lagMs <= 4_000, `${backlog.lagMs} ms`);
});

Deno.test("backlog of an earlier run is as old as this one", () => {
  const { backlog, clock } = backlogAt();
  backlog.set(0);
  backlog.set(1_000);
  clock.now += 7_000;
  assert.deepEqual([backlog.bytes, backlog.lagMs], [1_000, 7_000]);
  backlog.set(400);
  assert.equal(backlog.lagMs, 7_000);
});

Deno.test("backlog at its limit refuses or warns, once", () => {
  const { backlog, events } = backlogAt({ maxUnshippedBytes: 100, onFull: "refuse" });
  backlog.set(99);
  assert.equal(backlog.refuses(), false);
  backlog.set(100);
  backlog.set(101);
  assert.equal(backlog.refuses(), true);
  backlog.configure({ maxUnshippedBytes: 100, onFull: "warn" });
  assert.equal(backlog.refuses(), false);
  assert.deepEqual(events, ["shipper_backoff"]);
});
