import assert from "node:assert/strict";
import { contractReasons } from "@/core/contract.ts";
import type { Contract } from "@/core/contract_terms.ts";
import { CONTRACT, featuresOf, NO_SIGNALS, NOW, targetOf, type TargetParts } from "./builders.ts";

const DAY = 86_400_000;

const required = (changes: Partial<Contract["required"]>): Partial<Contract> => ({
  required: { ...CONTRACT.required, ...changes },
});
const floor = (changes: Partial<Contract["floor"]>): Partial<Contract> => ({
  floor: { ...CONTRACT.floor, ...changes },
});
const slow = (changes: Partial<NonNullable<Contract["targets"]>>): Partial<Contract> => ({
  targets: {
    maxP95LatencyMs: null,
    minOutputTokensPerSec: null,
    maxErrorRate: null,
    maxTimeoutRate: null,
    ...changes,
  },
});
const evaluated = (days: number, more: object = {}): TargetParts => ({
  validation: {
    status: "passed",
    workload: "",
    validatedAt: NOW - 12 * 3_600_000 - days * DAY,
    qualityScore: 0.8,
    passRate: 0.9,
    ...more,
  },
});

const SEEN = {
  ...NO_SIGNALS,
  observations: 20,
  p95LatencyMs: 900,
  errorRate: 0.1,
  timeoutRate: 0.05,
  outputTokensPerSec: 30,
};

/** A contract, a target that breaks it in one respect, and one that keeps it. */
const CASES: readonly (readonly [string, Partial<Contract>, TargetParts, TargetParts])[] = [
  ["contract-required-modality", required({ inputModalities: ["image"] }), {}, {
    inputModalities: ["text", "image"],
  }],
  ["contract-required-modality", required({ outputModalities: ["audio"] }), {}, {
    outputModalities: ["audio"],
  }],
  ["contract-required-tools", required({ toolFeatures: ["tools"] }), {
    toolSupport: { "openai-chat": [], "openai-responses": ["tools"], "anthropic": ["tools"] },
  }, {}],
  ["contract-required-capability", required({ structuredOutputs: true }), {
    toolSupport: { "openai-chat": ["tools"], "openai-responses": [], "anthropic": [] },
  }, {}],
  ["contract-required-capability", required({ minContextTokens: 1_000 }), {}, {
    contextTokens: 1_000,
  }],
  ["contract-required-capability", required({ honorsCaps: true }), { honorsMaxTokens: false }, {}],
  ["contract-quality-floor", floor({ requireTags: ["a", "b"] }), { tags: ["a"] }, {
    tags: ["b", "a"],
  }],
  [
    "contract-quality-floor",
    floor({ minQualityScore: 0.81 }),
    evaluated(0),
    evaluated(0, {
      qualityScore: 0.81,
    }),
  ],
  ["contract-quality-floor", floor({ minPassRate: 0.5 }), evaluated(0, { passRate: null }), {
    ...evaluated(0),
  }],
  ["contract-quality-floor", floor({ statuses: ["passed"] }), evaluated(0, { status: "limited" }), {
    ...evaluated(0),
  }],
  ["contract-validation-expired", floor({ maxAgeDays: 30 }), evaluated(31), evaluated(30)],
  ["contract-no-validated-target", floor({ minPassRate: 0.5 }), {}, evaluated(0)],
  ["contract-region", { regions: ["eu"] }, {}, { region: "eu" }],
];

function reasons(contract: Partial<Contract>, parts: TargetParts, signals = SEEN) {
  return contractReasons(targetOf(parts), { ...CONTRACT, ...contract }, {
    dialect: "openai-chat",
    features: featuresOf({ outputCap: 10 }),
    now: NOW,
    signals: () => signals,
  });
}

for (const [index, [label, contract, breaks, keeps]] of CASES.entries()) {
  Deno.test(`contract ${index + 1} is broken as ${label} and nothing else`, () => {
    assert.deepEqual(reasons(contract, breaks), [label]);
    assert.deepEqual(reasons(contract, keeps), []);
  });
}

Deno.test("contract asks for the caller's dialect", () => {
  assert.deepEqual(reasons({ shapes: ["anthropic"] }, {}), ["contract-required-api-shape"]);
  assert.deepEqual(reasons({ shapes: ["anthropic", "openai-chat"] }, {}), []);
});

Deno.test("contract judges what was observed from 20 attempts on", () => {
  for (
    const limits of [
      slow({ maxP95LatencyMs: 899 }),
      slow({ maxErrorRate: 0.09 }),
      slow({ maxTimeoutRate: 0.04 }),
      slow({ minOutputTokensPerSec: 31 }),
    ]
  ) {
    assert.deepEqual(reasons(limits, {}), ["contract-operational"]);
    assert.deepEqual(reasons(limits, {}, { ...SEEN, observations: 19 }), []);
  }
  const met = { maxP95LatencyMs: 900, maxErrorRate: 0.1, maxTimeoutRate: 0.05 };
  assert.deepEqual(reasons(slow({ ...met, minOutputTokensPerSec: 30 }), {}), []);
});

Deno.test("contract may let evaluations that are too old serve, and lists all it misses", () => {
  const old = floor({ maxAgeDays: 30, requireTags: ["a"] });
  assert.deepEqual(reasons({ ...old, serveExpired: true }, evaluated(99)), [
    "contract-quality-floor",
  ]);
  assert.deepEqual(reasons({ ...old, regions: ["eu"] }, evaluated(99)), [
    "contract-quality-floor",
    "contract-validation-expired",
    "contract-region",
  ]);
});
