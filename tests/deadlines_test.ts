import assert from "node:assert/strict";
import { createDeadlines } from "@/core/deadlines.ts";

/** Deadlines on the real timer, and what passed in which order. */
function recording() {
  const deadlines = createDeadlines(() => performance.now());
  const passed: string[] = [];
  const set = (name: string, ms: number) => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const deadline = deadlines.set(ms, () => {
      passed.push(name);
      resolve();
    });
    return { deadline, promise };
  };
  return { set, passed };
}

// The shared timer may outlive what was cancelled; it never keeps the process alive.
const test = (name: string, fn: () => Promise<void>) =>
  Deno.test({ name, sanitizeOps: false, sanitizeResources: false, fn });
const keepAlive = async (promise: Promise<void>) => {
  const timer = setTimeout(() => {}, 5_000);
  await promise;
  clearTimeout(timer);
};

test("deadlines pass in the order of their times, whatever the order they were set in", async () => {
  const { set, passed } = recording();
  const late = set("late", 30);
  set("early", 5);
  set("middle", 15);
  await keepAlive(late.promise);
  assert.deepEqual(passed, ["early", "middle", "late"]);
});

test("a cancelled deadline does not pass", async () => {
  const { set, passed } = recording();
  const cancelled = set("cancelled", 5);
  const kept = set("kept", 15);
  cancelled.deadline.cancel();
  await keepAlive(kept.promise);
  assert.deepEqual(passed, ["kept"]);
});

test("a deadline set while another passes is kept", async () => {
  const deadlines = createDeadlines(() => performance.now());
  const { promise, resolve } = Promise.withResolvers<void>();
  deadlines.set(2, () => void deadlines.set(2, resolve));
  await keepAlive(promise);
});

test("a deadline that passes may cancel another that is due", async () => {
  const { set, passed } = recording();
  const deadlines = createDeadlines(() => performance.now());
  const { promise, resolve } = Promise.withResolvers<void>();
  const second = { deadline: null as { cancel(): void } | null };
  deadlines.set(5, () => second.deadline?.cancel());
  second.deadline = deadlines.set(5, () => passed.push("cancelled"));
  deadlines.set(15, resolve);
  await keepAlive(Promise.all([promise, set("kept", 10).promise]).then(() => {}));
  assert.deepEqual(passed, ["kept"]);
});
