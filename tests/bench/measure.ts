import { load, rawRequest } from "./load.ts";
import { cpuMs, type Running, TOKEN } from "./processes.ts";

/** A load: what is sent, over how many connections, how often. */
export interface Scenario {
  readonly name: string;
  readonly body: string;
  readonly connections: number;
  readonly calls: number;
  readonly rounds: number;
}

/** What one load showed. */
export interface Sample {
  /** Calls per second. */
  readonly rps: number;
  /** ms. */
  readonly p50: number;
  /** CPU of the process per call, us; NaN where the system does not tell. */
  readonly cpuUs: number;
}

/** The middle of some numbers. */
export const median = (values: readonly number[]) =>
  values.toSorted((a, b) => a - b)[values.length >> 1]!;
/** The least and the most of some numbers. */
export const spread = (values: readonly number[]) =>
  `${Math.min(...values).toFixed(2)}..${Math.max(...values).toFixed(2)}`;

/** Sends a load to a gateway, a proxy or a provider. */
export async function measure(running: Running, scenario: Scenario): Promise<Sample> {
  const request = rawRequest(
    `${running.url}/v1/chat/completions`,
    { authorization: `Bearer ${TOKEN}` },
    scenario.body,
  );
  const before = await cpuMs(running.pid);
  const { rps, p50 } = await load(request, scenario);
  const after = await cpuMs(running.pid);
  const cpuUs = before === null || after === null ? NaN : (after - before) * 1000 / scenario.calls;
  return { rps, p50, cpuUs };
}
