import assert from "node:assert/strict";
import { Calibration } from "@/core/calibration.ts";
import { Health } from "@/core/health.ts";
import type { LogEvent, LogFields } from "@/core/log_events.ts";
import type { Target } from "@/core/snapshot.ts";
import { failure, type UpstreamClass, type UpstreamError } from "@/core/upstream_error.ts";
import { groupOf, NO_SIGNALS, NOW, targetOf } from "./builders.ts";

const GROUP = groupOf();
const TARGET = targetOf();

const HEALTHY = targetOf({ id: "healthy", key: "openai-chat other up-1" });

/** Whether a target goes behind one that serves. */
function deferred(health: Health, target: Target): boolean {
  return health.readyFirst(GROUP, [target, HEALTHY])[0] !== target;
}

/** Health at a clock that tests move; the wall is `NOW` when the clock is 0. */
function healthAt({ random = 0.5 } = {}) {
  const clock = { now: 5_000 };
  const lines: { event: LogEvent; fields: LogFields }[] = [];
  const health = new Health({
    now: () => NOW + clock.now,
    clock: () => clock.now,
    random: () => random,
    calibration: new Calibration(),
    shapes: { backoffUntil: () => null, isProbeDue: () => false },
    log: {
      configure: () => {},
      write: (_level, event, _msg, fields) => void lines.push({ event, fields: fields ?? {} }),
    },
  });
  const attempt = (error: UpstreamError | null, { counts = true } = {}) => {
    const probe = health.begin(GROUP, TARGET);
    health.end(GROUP, TARGET, { probe, error, counts });
  };
  const fail = (name: UpstreamClass, times = 1) => {
    for (let count = 0; count < times; count++) attempt(failure(name));
  };
  const limited = (retryAfterMs: number | null) =>
    attempt({ ...failure("upstream_rate_limited", 429), retryAfterMs });
  /** Whole ms until the target is tried in its place again; `null`: now. */
  const backoffMs = () => {
    const { backoffUntil } = health.signals(TARGET);
    return backoffUntil === null ? null : backoffUntil - NOW - clock.now;
  };
  return { health, clock, lines, attempt, fail, limited, backoffMs };
}

Deno.test("health of a target nobody tried knows nothing", () => {
  const { health } = healthAt();
  assert.deepEqual(health.signals(TARGET), NO_SIGNALS);
  assert.equal(deferred(health, TARGET), false);
});

Deno.test("health counts attempts in flight", () => {
  const { health, attempt } = healthAt();
  health.begin(GROUP, TARGET);
  health.begin(GROUP, TARGET);
  assert.equal(health.signals(TARGET).inflight, 2);
  health.end(GROUP, TARGET, { probe: false, error: null, counts: true });
  assert.equal(health.signals(TARGET).inflight, 1);
  attempt(null, { counts: false });
  assert.equal(health.signals(TARGET).inflight, 1);
});

const FIVE_OPEN: readonly UpstreamClass[] = [
  "upstream_timeout",
  "upstream_network",
  "upstream_overloaded",
  "upstream_bad_response",
  "empty_stream",
];

for (const name of FIVE_OPEN) {
  Deno.test(`health defers a target after five times ${name}`, () => {
    const { health, fail } = healthAt();
    fail(name, 4);
    assert.equal(deferred(health, TARGET), false);
    fail(name);
    assert.equal(deferred(health, TARGET), true);
    assert.equal(health.signals(TARGET).breaker, "open");
  });
}

for (const name of ["upstream_auth_failed", "upstream_access_denied"] as const) {
  Deno.test(`health opens the breaker for a minute at the first ${name}`, () => {
    const { health, fail, clock } = healthAt();
    fail(name);
    const { breaker, breakerUntil } = health.signals(TARGET);
    assert.deepEqual([breaker, breakerUntil], ["open", NOW + clock.now + 60_000]);
  });
}

const THE_REQUEST: readonly UpstreamClass[] = [
  "upstream_context_length",
  "upstream_bad_request",
  "upstream_request_too_large",
  "upstream_status",
];

for (const name of THE_REQUEST) {
  Deno.test(`health of a target is not touched by 1,000 times ${name}`, () => {
    const { health, fail } = healthAt();
    fail(name, 1_000);
    assert.deepEqual(health.signals(TARGET), NO_SIGNALS);
  });
}

Deno.test("health of a target is not touched by callers that leave", () => {
  const { health, attempt } = healthAt();
  for (let call = 0; call < 10_000; call++) {
    attempt(failure("upstream_network"), { counts: false });
  }
  assert.equal(deferred(health, TARGET), false);
});

Deno.test("health backs off as long as the provider asks, never less", () => {
  const { limited, backoffMs, health, clock } = healthAt({ random: 0 });
  limited(7_000);
  assert.equal(backoffMs(), 7_000);
  assert.equal(health.signals(TARGET).breaker, "closed");
  clock.now += 6_999;
  assert.equal(deferred(health, TARGET), true);
  clock.now += 1;
  assert.equal(deferred(health, TARGET), false);
  assert.equal(backoffMs(), null);
});

Deno.test("health spreads a backoff upwards by up to a fifth", () => {
  const { limited, backoffMs } = healthAt({ random: 0.5 });
  limited(10_000);
  assert.equal(backoffMs(), 11_000);
});

const CLAMPED: readonly (readonly [UpstreamClass, number, number])[] = [
  ["upstream_rate_limited", 0, 1_000],
  ["upstream_rate_limited", 3_600_000, 60_000],
  ["upstream_quota_exhausted", 0, 30_000],
  ["upstream_quota_exhausted", 3_600_000, 300_000],
];

for (const [name, asked, ms] of CLAMPED) {
  Deno.test(`health takes ${asked} ms of ${name} for ${ms} ms`, () => {
    const { attempt, backoffMs } = healthAt({ random: 0 });
    attempt({ ...failure(name, 429), retryAfterMs: asked });
    assert.equal(backoffMs(), ms);
  });
}

Deno.test("health doubles the backoff of a provider that names no time, up to the most", () => {
  const { limited, backoffMs, clock } = healthAt({ random: 0 });
  for (const ms of [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000]) {
    limited(null);
    assert.equal(backoffMs(), ms);
    clock.now += ms;
  }
});

Deno.test("health starts the backoff again after a success", () => {
  const { limited, attempt, backoffMs, clock } = healthAt({ random: 0 });
  limited(null);
  limited(null);
  clock.now += 60_000;
  attempt(null);
  limited(null);
  assert.equal(backoffMs(), 1_000);
});

Deno.test("health never shortens a backoff", () => {
  const { limited, backoffMs } = healthAt({ random: 0 });
  limited(30_000);
  limited(2_000);
  assert.equal(backoffMs(), 30_000);
});

Deno.test("health never opens a breaker for rate limits", () => {
  const { health, limited } = healthAt();
  for (let count = 0; count < 100; count++) limited(null);
  assert.equal(health.signals(TARGET).breaker, "closed");
});

Deno.test("health gives one probe of a half-open target, and closes when it succeeds", () => {
  const { health, fail, clock, lines } = healthAt();
  fail("upstream_overloaded", 5);
  assert.equal(deferred(health, TARGET), true);
  clock.now += 10_000;
  assert.deepEqual(health.signals(TARGET).breaker, "half_open");
  assert.equal(deferred(health, TARGET), false, "its place while the probe is free");
  assert.equal(health.begin(GROUP, TARGET), true);
  assert.equal(deferred(health, TARGET), true, "behind while the probe is under way");
  assert.equal(health.begin(GROUP, TARGET), false);
  health.end(GROUP, TARGET, { probe: false, error: null, counts: true });
  assert.equal(health.signals(TARGET).breaker, "half_open");
  health.end(GROUP, TARGET, { probe: true, error: null, counts: true });
  assert.deepEqual([deferred(health, TARGET), health.signals(TARGET).breakerUntil], [false, null]);
  assert.deepEqual(lines.map(({ event }) => event), ["breaker_opened", "breaker_closed"]);
});

for (const outcome of ["cut by its caller", "the request's own fault"] as const) {
  Deno.test(`health gives the next probe after one that was ${outcome}`, () => {
    const { health, fail, attempt, clock } = healthAt();
    fail("upstream_overloaded", 5);
    clock.now += 10_000;
    if (outcome === "cut by its caller") attempt(null, { counts: false });
    else attempt(failure("upstream_bad_request", 400));
    assert.equal(health.signals(TARGET).breaker, "half_open");
    assert.equal(health.begin(GROUP, TARGET), true);
  });
}

Deno.test("health leaves the order as it is when every target fails", () => {
  const { health, fail } = healthAt();
  fail("upstream_overloaded", 5);
  const plan = [TARGET, targetOf({ id: "twin" })];
  assert.equal(health.readyFirst(GROUP, plan), plan);
});

Deno.test("health belongs to provider, model and dialect, whatever group asks", () => {
  const { health, fail } = healthAt();
  fail("upstream_overloaded", 5);
  const same: Target = targetOf({ id: "again", groupIndex: 3, weight: 9 });
  const other: Target = targetOf({ key: "anthropic acme up-1" });
  assert.equal(deferred(health, same), true);
  assert.equal(deferred(health, other), false);
});

Deno.test("health names the target and the cause when a breaker opens", () => {
  const { attempt, lines } = healthAt();
  attempt(failure("upstream_auth_failed", 401));
  assert.deepEqual(lines, [{
    event: "breaker_opened",
    fields: { provider: "acme", model: "up-1", error: "upstream_auth_failed", status: 401 },
  }]);
});

Deno.test("health says once that a target is spared, and for how long", () => {
  const { limited, lines, clock } = healthAt();
  for (let count = 0; count < 3; count++) limited(7_000);
  assert.deepEqual(lines, [{
    event: "backoff_started",
    fields: { provider: "acme", model: "up-1", error: "upstream_rate_limited", wait_ms: 7_000 },
  }]);
  clock.now += 9_000;
  limited(7_000);
  assert.equal(lines.length, 2);
});
