import { TOKEN } from "./processes.ts";

/** What a steady load showed. */
export interface Steady {
  /** ms. */
  readonly p50: number;
  readonly p99: number;
  /** Calls that did not end with 200. */
  readonly failed: number;
}

const TICK_MS = 5;
const BODY = JSON.stringify({ model: "bench", messages: [{ role: "user", content: "Hello" }] });

/**
 * Makes calls at a rate, whether earlier ones have ended or not: what waits shows in the latencies, and
 * does not slow the load.
 */
export async function steady(url: string, rps: number, seconds: number): Promise<Steady> {
  const latencies: number[] = [];
  let failed = 0;
  async function call(): Promise<void> {
    const began = performance.now();
    const response = await fetch(`${url}/v1/chat/completions`, {
      method: "POST",
      headers: { authorization: `Bearer ${TOKEN}`, "content-type": "application/json" },
      body: BODY,
    });
    await response.bytes();
    if (response.status !== 200) failed += 1;
    latencies.push(performance.now() - began);
  }
  const calls: Promise<void>[] = [];
  const began = performance.now();
  for (let due = 0; due < rps * seconds;) {
    const reached = (performance.now() - began) / 1_000 * rps;
    for (; due < Math.min(reached, rps * seconds); due += 1) calls.push(call());
    await new Promise((resolve) => setTimeout(resolve, TICK_MS));
  }
  await Promise.all(calls);
  const sorted = latencies.toSorted((a, b) => a - b);
  const at = (share: number) => sorted[Math.floor(sorted.length * share)] ?? NaN;
  return { p50: at(0.5), p99: at(0.99), failed };
}
