import assert from "node:assert/strict";
import { join } from "node:path";
import fc from "fast-check";
import { Calibration } from "@/core/calibration.ts";
import type { Log } from "@/core/log.ts";
import { openCalibrationKv } from "@/storage/calibration_kv.ts";
import { openKv } from "@/storage/ledger_kv.ts";

const KEY = "openai-chat acme swift";
const TEXT = { base: 1_000, hasMedia: false };

/** A calibration that saw these ratios of real to estimated input. */
function taught(...ratios: readonly number[]): Calibration {
  const calibration = new Calibration();
  for (const ratio of ratios) calibration.learnInput(KEY, TEXT, ratio * TEXT.base);
  return calibration;
}

const times = (count: number, ratio: number) => Array.from({ length: count }, () => ratio);

Deno.test("estimate of a target that never answered is the base, with the widest margin", () => {
  const calibration = new Calibration();
  assert.equal(calibration.inputTokenRatio(KEY), null);
  assert.deepEqual(calibration.estimate([{ key: KEY }], TEXT), {
    base: 1_000,
    plain: 1_000,
    upper: 1_250,
    confidence: "low",
  });
  assert.deepEqual(calibration.plain(KEY, TEXT), { input: 1_000, bytesPerOutputToken: 4 });
});

Deno.test("what nobody can have learned is not taken from the state", () => {
  const calibration = taught(...times(3, 1.2));
  const known = calibration.of(KEY);
  const odd = [NaN, 0, -1, 1e9, "1.2", null].map((ratio) => ({
    ...known,
    input: { ...known.input, ratio },
  }));
  for (const value of [...odd, null, 7, {}, { input: known.input }]) {
    const fresh = new Calibration();
    fresh.restore(KEY, value);
    assert.equal(fresh.estimate([{ key: KEY }], TEXT).upper, 1_250);
  }
  const fresh = new Calibration();
  fresh.restore(KEY, known);
  assert.deepEqual(fresh.of(KEY), known);
});

// k, d after each value, by hand: a = 1, 1/2, 1/3.
for (
  const [ratios, ratio, deviation] of [
    [[1.2], 1.2, 0.2],
    [[1.2, 1.2], 1.2, 0.1],
    [[1.2, 0.6], 0.9, 0.35],
    [[1.2, 0.6, 0.9], 0.9, 0.35 * 2 / 3],
    [[9], 2, 1],
    [[0.1], 0.5, 0.5],
  ] as const
) {
  Deno.test(`calibration by ${ratios.join(", ")} is ${ratio}`, () => {
    const { input } = taught(...ratios).of(KEY);
    assert(Math.abs(input.ratio - ratio) < 1e-12, `${input.ratio}`);
    assert(Math.abs(input.deviation - deviation) < 1e-12, `${input.deviation}`);
    assert.equal(input.count, ratios.length);
  });
}

for (
  const { name, ratios, hasMedia = false, upper, confidence } of [
    { name: "9 equal calls", ratios: times(9, 1.1), upper: 1_375, confidence: "low" },
    { name: "10 equal calls", ratios: times(10, 1.1), upper: 1_265, confidence: "medium" },
    { name: "49 equal calls", ratios: times(49, 1.1), upper: 1_265, confidence: "medium" },
    { name: "50 equal calls", ratios: times(50, 1.1), upper: 1_155, confidence: "high" },
    {
      name: "50 equal calls, for an image",
      ratios: times(50, 1.1),
      hasMedia: true,
      upper: 1_265,
      confidence: "medium",
    },
    {
      name: "60 calls that differ by half",
      ratios: times(30, 0).flatMap(() => [0.6, 1.8]),
      upper: null,
      confidence: "low",
    },
  ]
) {
  Deno.test(`margin after ${name} is that of confidence ${confidence}`, () => {
    const estimate = taught(...ratios).estimate([{ key: KEY }], { ...TEXT, hasMedia });
    assert.equal(estimate.confidence, confidence);
    if (upper !== null) assert.equal(estimate.upper, upper);
  });
}

Deno.test("calibration passes over media, short requests and short replies", () => {
  const calibration = new Calibration();
  calibration.learnInput(KEY, { base: 1_000, hasMedia: true }, 2_000);
  calibration.learnInput(KEY, { base: 63, hasMedia: false }, 126);
  calibration.learnOutput(KEY, 100, 15);
  calibration.learnOutput(KEY, 0, 500);
  assert.deepEqual(calibration.of(KEY), new Calibration().of(KEY));
  assert.equal(calibration.takeChanged().size, 0);
});

Deno.test("estimate of a group is the largest of its targets", () => {
  const calibration = taught(...times(60, 1.5));
  for (let count = 0; count < 5; count++) calibration.learnInput("small", TEXT, 700);
  const estimate = calibration.estimate([{ key: "small" }, { key: KEY }], TEXT);
  assert.deepEqual(estimate, { base: 1_000, plain: 1_500, upper: 1_575, confidence: "high" });
});

Deno.test("bytes per output token are learned between 1.5 and 8", () => {
  const calibration = new Calibration();
  calibration.learnOutput(KEY, 600, 100);
  assert.equal(calibration.plain(KEY, TEXT).bytesPerOutputToken, 6);
  calibration.learnOutput("short", 100, 100);
  calibration.learnOutput("long", 10_000, 100);
  assert.equal(calibration.plain("short", TEXT).bytesPerOutputToken, 1.5);
  assert.equal(calibration.plain("long", TEXT).bytesPerOutputToken, 8);
});

Deno.test("reservation covers what a steady tokenizer counts, whatever it is", () => {
  const ratio = fc.double({ min: 0.5, max: 2, noNaN: true });
  const noise = fc.array(fc.double({ min: 0.97, max: 1.03, noNaN: true }), { minLength: 60 });
  fc.assert(fc.property(ratio, noise, (ratio, noise) => {
    const calibration = taught(...noise.map((part) => ratio * part));
    const { plain, upper, confidence } = calibration.estimate([{ key: KEY }], TEXT);
    assert.equal(confidence, "high");
    assert(upper >= TEXT.base * Math.min(2, ratio) * 0.99, `${upper} of ${ratio}`);
    assert(Math.abs(plain - TEXT.base * ratio) <= TEXT.base * ratio * 0.04 + 1);
  }));
});

const SILENT: Log = { configure: () => {}, write: () => {} };

Deno.test("calibration outlives the process", async () => {
  const dir = await Deno.makeTempDir();
  try {
    const path = join(dir, "state", "router.kv");
    const first = taught(1.3, 1.2);
    using kv = await openKv(path);
    const store = await openCalibrationKv(kv, { calibration: first, log: SILENT });
    await store.close();
    const second = new Calibration();
    const again = await openCalibrationKv(kv, { calibration: second, log: SILENT });
    await again.close();
    assert.deepEqual(second.of(KEY), first.of(KEY));
    assert.equal(second.inputTokenRatio(KEY), 1.25);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});
