import type { DialectName } from "@/core/dialect_name.ts";
import {
  type ConfigOptions,
  type ConfigTree,
  type Loose,
  startTestGateway,
  type TestGateway,
} from "../gateway.ts";
import { echo, type Script, startUpstream, type TestUpstream } from "../upstream.ts";

/** The dialect of calls where it does not matter. */
export const CHAT: DialectName = "openai-chat";
/** Answers at once. */
export const healthy = echo("echo");
/** So slow that a hedge begins, and so long that none ever does. */
export const [SOON, NEVER] = [20, 60_000];
/** USD per million tokens. */
export const PRICED = { input_price_per_million_usd: 1, output_price_per_million_usd: 2 };

/** A group that hedges after so long, each call if need be. */
export const hedge = (after_ms: number | "p95" = SOON, more: ConfigTree = {}) => ({
  hedge: { enabled: true, after_ms, max_percent: 100, ...more },
});

/** One upstream that serves `up-1`, `up-2` and `up-3`, each as scripted. */
export async function inGateway(
  script: Script,
  options: Partial<ConfigOptions>,
  body: (gateway: TestGateway, upstream: TestUpstream) => Promise<void>,
): Promise<void> {
  await using upstream = await startUpstream(script);
  const upstreams = [upstream.url, upstream.url, upstream.url];
  const targets = [PRICED, PRICED, PRICED];
  await using gateway = await startTestGateway({ upstreams, targets, group: hedge(), ...options });
  await body(gateway, upstream);
}

/** Models in the order in which the upstream was called. */
export const called = ({ requests }: TestUpstream) =>
  requests.map((request) => request.json()["model"]);

/** How the attempts of a call ended. */
export const outcomes = (row: Loose) =>
  row["request_attempts"].map(({ outcome }: Loose) => outcome);
