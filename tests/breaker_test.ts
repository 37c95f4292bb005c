import assert from "node:assert/strict";
import { Breaker, type BreakerOptions, type BreakerOutcome } from "@/core/breaker.ts";
import { BREAKER } from "./builders.ts";

/** A random number that leaves open times as they are. */
const MIDDLE = 0.5;

/** A breaker at a clock that tests move. */
function breakerWith(changes: Partial<BreakerOptions> = {}) {
  const options = { ...BREAKER, ...changes };
  const breaker = new Breaker();
  const clock = { now: 1_000 };
  const record = (outcome: BreakerOutcome, probe = false, random = MIDDLE) =>
    breaker.record(outcome, probe, { options, now: clock.now, random });
  return {
    breaker,
    clock,
    record,
    fail: (times: number) => Array.from({ length: times }, () => record("failure")),
    claim: () => breaker.claimProbe(options, clock.now),
    state: () => breaker.state(clock.now),
    openFor: () => breaker.until === null ? null : Math.round(breaker.until - clock.now),
  };
}

/** Lets the open time pass, and ends one probe. */
function probe(
  { breaker, clock, claim, record }: ReturnType<typeof breakerWith>,
  outcome: BreakerOutcome,
) {
  clock.now = breaker.until!;
  assert(claim());
  const change = record(outcome, true);
  breaker.releaseProbe();
  return change;
}

Deno.test("breaker opens after 5 failures in a row, not after 4", () => {
  const { fail, state } = breakerWith();
  assert.deepEqual(fail(4), [null, null, null, null]);
  assert.equal(state(), "closed");
  assert.deepEqual(fail(1), ["opened"]);
  assert.equal(state(), "open");
});

Deno.test("breaker counts failures in a row from the last success", () => {
  const { fail, record, state } = breakerWith();
  fail(4);
  record("success");
  fail(4);
  assert.equal(state(), "closed");
});

const SHARES: readonly (readonly [string, number, number, boolean])[] = [
  ["half of 20 failed", 20, 10, true],
  ["fewer than half failed", 20, 9, false],
  ["fewer than 20 ended", 19, 10, false],
];

for (const [what, requests, failures, opens] of SHARES) {
  Deno.test(`breaker ${opens ? "opens" : "stays closed"} when ${what}`, () => {
    const { record, state } = breakerWith({ consecutiveFailures: 1_000 });
    for (let count = 0; count < requests - failures; count++) record("success");
    for (let count = 0; count < failures; count++) record("failure");
    assert.equal(state() === "open", opens);
  });
}

Deno.test("breaker forgets what is older than the window", () => {
  const { record, clock, state } = breakerWith({ consecutiveFailures: 1_000 });
  for (let count = 0; count < 10; count++) record("failure");
  clock.now += 30_000;
  for (let count = 0; count < 10; count++) record("success");
  record("failure");
  assert.equal(state(), "closed");
});

Deno.test("breaker adds up a failing share that comes slowly, across the window", () => {
  const { record, clock, state } = breakerWith({ consecutiveFailures: 1_000 });
  for (let count = 0; count < 10; count++) {
    record("success");
    record("failure");
    clock.now += 2_500;
  }
  assert.equal(state(), "open");
});

Deno.test("breaker is half open when the open time is over", () => {
  const { fail, clock, openFor, state } = breakerWith();
  fail(5);
  assert.equal(openFor(), 10_000);
  clock.now += 9_999;
  assert.equal(state(), "open");
  clock.now += 1;
  assert.equal(state(), "half_open");
});

for (const [random, ms] of [[0, 9_000], [MIDDLE, 10_000], [0.999999999, 11_000]] as const) {
  Deno.test(`breaker spreads its open time: ${ms} ms at random ${random}`, () => {
    const { record, fail, openFor } = breakerWith();
    fail(4);
    record("failure", false, random);
    assert.equal(openFor(), ms);
  });
}

Deno.test("breaker gives no probe while it is closed or open", () => {
  const { claim, fail } = breakerWith();
  assert.equal(claim(), false);
  fail(5);
  assert.equal(claim(), false);
});

Deno.test("breaker lets one probe through at a time", () => {
  const { breaker, claim, fail, clock } = breakerWith();
  fail(5);
  clock.now += 10_000;
  assert.deepEqual([claim(), claim(), claim()], [true, false, false]);
  breaker.releaseProbe();
  assert.deepEqual([claim(), claim()], [true, false]);
});

Deno.test("breaker lets as many probes through as configured", () => {
  const { claim, fail, clock } = breakerWith({ halfOpenProbes: 2 });
  fail(5);
  clock.now += 10_000;
  assert.deepEqual([claim(), claim(), claim()], [true, true, false]);
});

Deno.test("breaker never counts fewer than no probes", () => {
  const { breaker, claim, fail, clock } = breakerWith();
  breaker.releaseProbe();
  fail(5);
  clock.now += 10_000;
  assert.deepEqual([claim(), claim()], [true, false]);
});

Deno.test("breaker closes when a probe succeeds, and starts from nothing", () => {
  const subject = breakerWith();
  subject.fail(5);
  assert.equal(probe(subject, "success"), "closed");
  assert.equal(subject.state(), "closed");
  assert.equal(subject.breaker.until, null);
  assert.deepEqual(subject.fail(4), [null, null, null, null]);
  subject.fail(1);
  assert.equal(subject.openFor(), 10_000);
});

Deno.test("breaker stays open when a call that began before it opened succeeds", () => {
  const { fail, record, state } = breakerWith();
  fail(5);
  assert.equal(record("success"), null);
  assert.equal(state(), "open");
});

Deno.test("breaker opens twice as long at each failed probe, up to the most", () => {
  const subject = breakerWith();
  subject.fail(5);
  const times = [20_000, 40_000, 80_000, 160_000, 300_000, 300_000];
  for (const ms of times) {
    assert.equal(probe(subject, "failure"), "opened");
    assert.equal(subject.openFor(), ms);
  }
});

Deno.test("breaker stays half open after a probe that says nothing, for the next one", () => {
  const subject = breakerWith();
  subject.fail(5);
  assert.equal(probe(subject, "none"), null);
  assert.equal(subject.state(), "half_open");
  assert.equal(subject.claim(), true);
});

Deno.test("breaker that is open is extended by a later failure, and by no doubled time", () => {
  const { clock, fail, openFor } = breakerWith();
  fail(5);
  assert.equal(openFor(), 10_000);
  clock.now += 100;
  assert.deepEqual(fail(50), Array.from({ length: 50 }, () => null));
  assert.equal(openFor(), 10_000);
});

Deno.test("breaker is never shortened by a later opening", () => {
  const { clock, record, fail, openFor } = breakerWith();
  record("opens");
  assert.equal(openFor(), 60_000);
  clock.now += 10_000;
  fail(5);
  assert.equal(openFor(), 50_000);
});

Deno.test("breaker opens at once, for its own time, when access is denied", () => {
  const { record, state, openFor } = breakerWith();
  assert.equal(record("opens"), "opened");
  assert.equal(state(), "open");
  assert.equal(openFor(), 60_000);
});

Deno.test("breaker stays closed under 10,000 ends that say nothing", () => {
  const { record, state } = breakerWith();
  for (let count = 0; count < 10_000; count++) record("none");
  assert.equal(state(), "closed");
});

Deno.test("breaker that is off never opens", () => {
  const { fail, record, state } = breakerWith({ enabled: false });
  fail(100);
  record("opens");
  assert.equal(state(), "closed");
});
