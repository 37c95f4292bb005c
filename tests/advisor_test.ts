import assert from "node:assert/strict";
import { advise, type CallerTraffic, type TargetTraffic } from "../storage/reports/advisor.ts";
import { sections } from "../storage/reports/sections.ts";
import { filterOf, MONDAY, shipCalls } from "./report_calls.ts";
import { onEachDriver } from "./storage_drivers.ts";
import { record } from "./storage_fixture.ts";

const QUIET: CallerTraffic = {
  caller: "ci",
  calls: 1_000,
  queued: 0,
  rejected: 0,
  queueFull: 0,
  queuedLeft: 0,
  unqueuedLeft: 0,
  longestWaitMs: 0,
  waitP95Ms: null,
  retryAfterP50Ms: null,
  attempts: 1_000,
  upstream429: 0,
};
const TARGET: TargetTraffic = {
  group: "fast",
  provider: "acme",
  model: "a",
  attempts: 100,
  rateLimited: 0,
  incompatible: 0,
  callers: new Set(["ci", "dev"]),
};

const NOTHING = "no_shaping_change_indicated";

/** Each threshold from both sides. */
const CALLERS: readonly (readonly [Partial<CallerTraffic>, string])[] = [
  [{}, NOTHING],
  [{ rejected: 20, retryAfterP50Ms: 2_000 }, "enable_queue"],
  [{ rejected: 19, retryAfterP50Ms: 2_000 }, NOTHING],
  [{ calls: 3_000, rejected: 29, retryAfterP50Ms: 100 }, NOTHING],
  [{ rejected: 20, retryAfterP50Ms: 2_001 }, NOTHING],
  [{ rejected: 20, retryAfterP50Ms: 100, queued: 1, waitP95Ms: 9, longestWaitMs: 9 }, NOTHING],
  [{ queued: 50, queueFull: 5, waitP95Ms: 499, longestWaitMs: 1_000 }, "increase_queue_depth"],
  [{ queued: 50, queueFull: 4, waitP95Ms: 499, longestWaitMs: 1_000 }, NOTHING],
  [{ queued: 50, queueFull: 5, waitP95Ms: 500, longestWaitMs: 1_000 }, NOTHING],
  [{ queued: 100, waitP95Ms: 250, longestWaitMs: 250 }, "increase_caller_burst"],
  [{ queued: 99, waitP95Ms: 250, longestWaitMs: 250 }, NOTHING],
  [{ queued: 100, waitP95Ms: 249, longestWaitMs: 249 }, NOTHING],
  [{ queued: 100, waitP95Ms: 250, longestWaitMs: 250, upstream429: 10 }, NOTHING],
  [{ queued: 40, queuedLeft: 2 }, "disable_queue_for_latency_sensitive_client"],
  [{ queued: 41, queuedLeft: 2 }, NOTHING],
  [{ queued: 40, queuedLeft: 2, unqueuedLeft: 30 }, NOTHING],
  [{ calls: 19, queued: 19, queuedLeft: 19 }, NOTHING],
];

for (const [changes, finding] of CALLERS) {
  Deno.test(`advisor says ${finding} of a caller with ${JSON.stringify(changes)}`, () => {
    const found = advise([{ ...QUIET, ...changes }], []);
    assert.deepEqual(found.map((item) => item.finding), [finding]);
  });
}

const SIBLING = { ...TARGET, model: "b" };
const TARGETS: readonly (readonly [Partial<TargetTraffic>[], string])[] = [
  [[{ rateLimited: 2 }], "investigate_provider_429_capacity"],
  [[{ rateLimited: 1 }], NOTHING],
  [[{ rateLimited: 50, callers: new Set(["ci"]) }], NOTHING],
  [[{ rateLimited: 19, attempts: 19 }], NOTHING],
  [[{ incompatible: 5 }, SIBLING], "route_around_incompatible_target"],
  [[{ incompatible: 4 }, SIBLING], NOTHING],
  [[{ incompatible: 5 }], NOTHING],
  [[{ incompatible: 5 }, { ...SIBLING, incompatible: 1 }], NOTHING],
  [[{ incompatible: 5 }, { ...SIBLING, group: "deep" }], NOTHING],
];

for (const [place, [changes, finding]] of TARGETS.entries()) {
  Deno.test(`advisor says ${finding} of targets, case ${place}`, () => {
    const found = advise([], changes.map((change) => ({ ...TARGET, ...change })));
    assert.deepEqual(found.map((item) => item.finding), [finding]);
  });
}

onEachDriver("advisor reads the traffic of its window from the database", async (place) => {
  const call = (n: number, rejected: boolean) =>
    record(n, {
      ts: MONDAY + n,
      client: `client-${n % 2}`,
      traffic_shape_applied: 1,
      traffic_shape_decision: rejected ? "rejected" : "admitted",
      traffic_shape_retry_after_ms: rejected ? 900 : 0,
      status: rejected ? 429 : 200,
    });
  const calls = Array.from({ length: 100 }, (_, n) => call(n, n % 4 === 0));
  await using database = await shipCalls(place, calls);
  const advisor = sections.find(({ id }) => id === "advisor")!;
  const [row, ...more] = await advisor.query(database.db, filterOf());
  assert.deepEqual(more, []);
  const { finding, subject, rejected, rate_limited, retry_after_p50_ms, clients } = row!;
  assert.deepEqual([finding, subject], ["enable_queue", "ci"]);
  assert.deepEqual([rejected, rate_limited, retry_after_p50_ms, clients], [25n, 25n, 900n, 2n]);
});
