import assert from "node:assert/strict";
import { settleUsage } from "@/core/settle_usage.ts";
import { NO_USAGE, type Usage, type UsageReport } from "@/core/usage.ts";

interface Case {
  readonly name: string;
  /** `null`: no provider answered. */
  readonly usage: Partial<UsageReport> | null;
  readonly contentBytes?: number;
  readonly complete: boolean;
  readonly delivered: boolean;
  readonly finishReason?: string;
  readonly settled: Pick<Usage, "input" | "output" | "source">;
}

/** The plain estimate of every case's input. */
const ESTIMATE = 77;

const CASES: readonly Case[] = [
  {
    name: "a complete reply settles to the provider's numbers",
    usage: { input: 100, output: 20 },
    contentBytes: 4_000,
    complete: true,
    delivered: true,
    settled: { input: 100, output: 20, source: "upstream" },
  },
  {
    name: "a reported zero is a measured zero",
    usage: { input: 0, output: 0 },
    contentBytes: 40,
    complete: true,
    delivered: true,
    settled: { input: 0, output: 0, source: "upstream" },
  },
  {
    name: "a complete reply without usage settles to estimates",
    usage: {},
    contentBytes: 41,
    complete: true,
    delivered: true,
    settled: { input: ESTIMATE, output: 11, source: "estimated" },
  },
  {
    name: "a complete reply that reports only input has its output estimated",
    usage: { input: 100 },
    contentBytes: 40,
    complete: true,
    delivered: true,
    settled: { input: 100, output: 10, source: "estimated" },
  },
  {
    name: "a complete reply that reports only output has its input estimated",
    usage: { output: 9 },
    contentBytes: 40,
    complete: true,
    delivered: true,
    settled: { input: ESTIMATE, output: 9, source: "estimated" },
  },
  {
    name: "a caller that leaves after the finish and its usage pays the provider's numbers",
    usage: { input: 100, output: 3 },
    contentBytes: 40,
    complete: false,
    delivered: true,
    finishReason: "stop",
    settled: { input: 100, output: 3, source: "upstream" },
  },
  {
    name: "a reply cut after content keeps the provider's larger count",
    usage: { input: 100, output: 30 },
    contentBytes: 40,
    complete: false,
    delivered: true,
    settled: { input: 100, output: 30, source: "estimated" },
  },
  {
    name: "a reply cut after content is not settled below what was delivered",
    usage: { input: 100, output: 1 },
    contentBytes: 400,
    complete: false,
    delivered: true,
    settled: { input: 100, output: 100, source: "estimated" },
  },
  {
    name: "a reply cut after content without usage settles to estimates",
    usage: {},
    contentBytes: 400,
    complete: false,
    delivered: true,
    settled: { input: ESTIMATE, output: 100, source: "estimated" },
  },
  {
    name: "a reply cut before content settles to what was reported",
    usage: { input: 100, output: 1 },
    complete: false,
    delivered: false,
    settled: { input: 100, output: 1, source: "upstream" },
  },
  {
    name: "a reply cut before content and usage costs nothing",
    usage: {},
    complete: false,
    delivered: false,
    settled: { input: 0, output: 0, source: "none" },
  },
  {
    name: "a call no provider answered costs nothing",
    usage: null,
    complete: false,
    delivered: false,
    settled: { input: 0, output: 0, source: "none" },
  },
];

for (
  const { name, usage, contentBytes = 0, complete, delivered, finishReason = null, settled }
    of CASES
) {
  Deno.test(`usage: ${name}`, () => {
    const facts = usage === null
      ? null
      : { ...REPLY, usage: { ...NO_USAGE, ...usage }, contentBytes, finishReason };
    const { input, output, source } = settleUsage({
      facts,
      complete,
      delivered,
      estimate: { input: ESTIMATE, bytesPerOutputToken: 4 },
    });
    assert.deepEqual({ input, output, source }, settled);
  });
}

const REPLY = { servedModel: null, finishReason: null, contentBytes: 0, toolCalls: 0 };

Deno.test("usage keeps the classes a provider reported, and what it left open stays open", () => {
  const report = { input: 100, output: 20, cachedInput: 60, cacheWrite: 10 };
  const usage = settleUsage({
    facts: { ...REPLY, usage: { ...NO_USAGE, ...report } },
    complete: true,
    delivered: true,
    estimate: { input: ESTIMATE, bytesPerOutputToken: 4 },
  });
  assert.deepEqual(usage, { ...report, image: null, reasoning: null, source: "upstream" });
});

Deno.test("usage of a reply whose provider reported nothing is estimated", () => {
  const usage = settleUsage({
    facts: { ...REPLY, usage: null, contentBytes: 8 },
    complete: true,
    delivered: true,
    estimate: { input: ESTIMATE, bytesPerOutputToken: 4 },
  });
  assert.deepEqual([usage.input, usage.output, usage.source], [ESTIMATE, 2, "estimated"]);
});
