import assert from "node:assert/strict";
import { createEpoch } from "../plugins/tracing/epoch.ts";

/** A clock of the system that ran on for so many ms since 0, and was set by some more. */
function clocks() {
  const time = { ms: 0, set: 0 };
  const START = 1_700_000_000_000.25;
  const epoch = createEpoch(START, {
    now: () => Math.floor(START + time.ms + time.set),
    clock: () => time.ms,
  });
  return { time, shown: () => epoch() + time.ms, wall: () => START + time.ms + time.set };
}

Deno.test("epoch keeps the fractions of the monotonic clock", () => {
  const { time, shown, wall } = clocks();
  for (time.ms = 0; time.ms < 50; time.ms += 0.375) assert.equal(shown(), wall());
});

Deno.test("epoch follows a system clock that drifts or is set, to the millisecond", () => {
  const { time, shown, wall } = clocks();
  for (const step of [0.001, -0.001, 3_600_000, -60_000]) {
    for (let call = 0; call < 5_000; call++) {
      time.ms += 0.7;
      time.set += Math.abs(step) < 1 || call === 0 ? step : 0;
      assert(Math.abs(shown() - wall()) <= 1, `${shown() - wall()}`);
    }
  }
});
