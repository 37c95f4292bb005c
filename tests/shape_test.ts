import assert from "node:assert/strict";
import fc from "fast-check";
import { Backoff, type BackoffOptions } from "@/core/limits/backoff.ts";
import { type CallerShape, CallerShapes, type Taken } from "@/core/limits/caller_shapes.ts";
import { Pace } from "@/core/limits/pace.ts";
import { TokenBuckets } from "@/core/limits/token_bucket.ts";
import type { ShapeCharge } from "@/core/limits/shape.ts";
import { type UpstreamShape, UpstreamShapes } from "@/core/limits/upstream_shapes.ts";
import { failure } from "@/core/upstream_error.ts";

Deno.test("bucket never lets more through than its burst and what refilled since", () => {
  const size = { rate: 10, burst: 20 };
  const step = fc.record({ units: fc.integer({ min: 1, max: 25 }), pass: fc.nat(3_000) });
  fc.assert(
    fc.property(fc.array(step), (steps) => {
      const bucket = new TokenBuckets(1);
      let now = 0;
      let taken = 0;
      for (const { units, pass } of steps) {
        now += pass;
        if (units <= size.burst && bucket.waitMs(0, units, size, now) === 0) {
          bucket.take(0, units, size, now);
          taken += units;
        }
        assert(taken <= size.burst + size.rate * now / 1_000 + 1e-6);
      }
    }),
  );
});

/** One caller at a clock that tests move. */
function callers(processes = 1) {
  const clock = { now: 1_000 };
  const shapes = new CallerShapes({ clock: () => clock.now, processes: () => processes });
  const pace = new Pace();
  const ci = (shape: CallerShape, charge: ShapeCharge) => shapes.enter(pace, shape, charge);
  return { clock, shapes, ci };
}

const START = { request_start_per_sec: 1 };
const paced = (queue: CallerShape["queue"]): CallerShape => ({
  sizes: { request_start_per_sec: { rate: 2, burst: 3 } },
  queue,
});

/** Waits of calls at once; `null` for a refusal. */
function enter(
  ci: ReturnType<typeof callers>["ci"],
  shape: CallerShape,
  calls: number,
): (Taken | null)[] {
  return Array.from({ length: calls }, () => {
    const taken = ci(shape, START);
    return "bucket" in taken ? null : taken;
  });
}

const waits = (taken: readonly (Taken | null)[]) => taken.map((one) => one?.waitMs ?? null);

Deno.test("caller's burst passes, then its rate does; without a queue the rest is refused", () => {
  const { ci, clock } = callers();
  assert.deepEqual(waits(enter(ci, paced(null), 5)), [0, 0, 0, null, null]);
  const refused = ci(paced(null), START);
  assert.deepEqual(refused, { bucket: "request_start_per_sec", waitMs: 500, neverFits: false });
  clock.now += 500;
  assert.deepEqual(waits(enter(ci, paced(null), 2)), [0, null]);
});

Deno.test("queue is first in, first out, as deep as configured, and no wait is longer", () => {
  const { shapes, ci } = callers();
  const deep = paced({ maxWaitMs: 10_000, maxDepth: 3 });
  assert.deepEqual(waits(enter(ci, deep, 7)), [0, 0, 0, 500, 1_000, 1_500, null]);
  assert.equal(shapes.depth, 3);
  const { ci: others } = callers();
  const short = paced({ maxWaitMs: 1_000, maxDepth: 9 });
  assert.deepEqual(waits(enter(others, short, 6)), [0, 0, 0, 500, 1_000, null]);
});

Deno.test("whoever leaves the queue gives back its place and its charge, once", () => {
  const { shapes, ci } = callers();
  const shape = paced({ maxWaitMs: 10_000, maxDepth: 2 });
  const taken = enter(ci, shape, 5);
  for (const one of taken.slice(3)) {
    one?.undo();
    one?.done();
  }
  assert.equal(shapes.depth, 0);
  assert.deepEqual(waits(enter(ci, shape, 2)), [500, 1_000]);
});

Deno.test("charge above the burst never fits, and with N processes one below it still does", () => {
  const { ci } = callers(3);
  const sizes = { total_reserved_tokens_per_sec: { rate: 30, burst: 90 } };
  const enter = (units: number) =>
    ci({ sizes, queue: null }, { total_reserved_tokens_per_sec: units });
  assert.deepEqual(enter(91), {
    bucket: "total_reserved_tokens_per_sec",
    waitMs: Infinity,
    neverFits: true,
  });
  assert("done" in enter(90), "a full bucket takes it");
  const next = enter(1);
  assert("waitMs" in next && next.waitMs === 6_100, "and is 60 below zero then");
});

const OPTIONS: BackoffOptions = {
  minMs: 1_000,
  maxMs: 8_000,
  multiplier: 2,
  honorRetryAfter: true,
};

Deno.test("backoff doubles with each refusal up to its longest, and is never earlier than asked", () => {
  const backoff = new Backoff();
  let now = 0;
  const trigger = (hintMs: number | null, random = 0, startedAt = now) => {
    backoff.trigger(OPTIONS, { now, startedAt, hintMs, random });
    return backoff.waitMs(OPTIONS, now);
  };
  for (const wait of [1_000, 2_000, 4_000, 8_000, 8_000]) {
    assert.equal(trigger(null), wait);
    now += wait;
  }
  assert.equal(trigger(2_500), 2_500, "the provider's own wait");
  now += 2_500;
  assert.equal(trigger(100, 0.5), 1_100, "clamped, and spread upwards only");
  now += 90_000;
  assert.equal(trigger(null), 1_000, "long ago is forgotten");
});

Deno.test("backoff counts refusals of attempts that began before it once, and lets one probe through", () => {
  const backoff = new Backoff();
  const trigger = (now: number, startedAt: number) =>
    backoff.trigger(OPTIONS, { now, startedAt, hintMs: null, random: 0 });
  trigger(100, 50);
  trigger(110, 60);
  trigger(120, 70);
  assert.equal(backoff.waitMs(OPTIONS, 120), 1_000, "still the first step");
  assert.deepEqual([backoff.claim(500), backoff.claim(1_200), backoff.claim(1_200)], [
    false,
    true,
    false,
  ]);
  assert(backoff.waitMs(OPTIONS, 1_200) > 0, "others wait for the probe");
  backoff.release(false);
  assert.deepEqual([backoff.waitMs(OPTIONS, 1_200), backoff.claim(1_200)], [0, true]);
  backoff.release(true);
  assert.deepEqual([backoff.waitMs(OPTIONS, 1_200), backoff.claim(1_200)], [0, false], "closed");
});

/** A shape of a scope, with both backoffs or none. */
function shapeOf(
  scope: UpstreamShape["scope"],
  changes: Partial<UpstreamShape> = {},
): UpstreamShape {
  return {
    scope,
    id: `${scope}:x`,
    sizes: {},
    backoff: { 429: OPTIONS, quota: OPTIONS },
    ...changes,
  };
}

function upstreams() {
  const clock = { now: 0 };
  const world = { clock: () => clock.now, random: () => 0, processes: () => 1 };
  return { clock, shapes: new UpstreamShapes(world) };
}

Deno.test("attempt takes of every scope or of none, and the reason names the scope", () => {
  const { shapes } = upstreams();
  const provider = shapeOf("provider", { sizes: { request_start_per_sec: { rate: 1, burst: 3 } } });
  const target = shapeOf("target", { sizes: { request_start_per_sec: { rate: 1, burst: 1 } } });
  assert("probes" in shapes.enter([provider, target], START));
  for (let turn = 0; turn < 5; turn++) {
    assert.deepEqual(shapes.enter([provider, target], START), {
      reason: "target-shape-throttled",
      scope: "target",
      bucket: "request_start_per_sec",
      backoff: "",
      waitMs: 1_000,
    });
  }
  assert("probes" in shapes.enter([provider], START), "the provider's bucket lost one only");
  assert("probes" in shapes.enter([provider], START));
  assert("reason" in shapes.enter([provider], START));
});

for (
  const { name, error, scope, backoff } of [
    { name: "a rate limit", error: "upstream_rate_limited", scope: "target", backoff: "429" },
    {
      name: "an exhausted quota",
      error: "upstream_quota_exhausted",
      scope: "provider",
      backoff: "quota",
    },
  ] as const
) {
  Deno.test(`${name} keeps attempts away from the scope it belongs to`, () => {
    const { shapes, clock } = upstreams();
    const all = [shapeOf("provider"), shapeOf("model"), shapeOf("target")];
    const pass = shapes.enter(all, START);
    assert("probes" in pass);
    const refused = { startedAt: 0, error: failure(error, 429), reached: false };
    const cooldown = { scope, backoff, waitMs: 1_000, began: true };
    assert.deepEqual(shapes.end(all, pass, refused), cooldown);
    const reason = `adaptive-backoff-provider-${backoff}`;
    const held = { reason, scope, bucket: "", backoff, waitMs: 1_000 };
    assert.deepEqual(shapes.enter(all, START), held);
    assert.equal(shapes.backoffUntil(all), 1_000);
    clock.now = 1_000;
    const probe = shapes.enter(all, START);
    assert("probes" in probe && probe.probes.length === 1);
    assert("reason" in shapes.enter(all, START), "one probe at a time");
    shapes.end(all, probe, { startedAt: 1_000, error: null, reached: true });
    assert("probes" in shapes.enter(all, START));
  });
}
