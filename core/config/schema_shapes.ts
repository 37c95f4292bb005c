import type { z } from "zod";
import { block, flag, ms, numeric, whole } from "./kinds.ts";

const rate = (what: string) => numeric("num", 0).default(0).describe(`${what} per second; 0 = off`);
const burst = () => whole().default(0).describe("most at once; a rate needs its burst");

/** The four rates with their bursts. */
const buckets = {
  request_start_per_sec: rate("calls"),
  request_burst: burst(),
  input_tokens_per_sec: rate("reserved input tokens"),
  input_token_burst: burst(),
  output_reservation_tokens_per_sec: rate("reserved output tokens"),
  output_reservation_token_burst: burst(),
  total_reserved_tokens_per_sec: rate("reserved tokens"),
  total_reserved_token_burst: burst(),
} as const;

const backoff = (min: number, max: number) =>
  block({
    enabled: flag().default(true).describe("whether targets are skipped meanwhile"),
    min_backoff_ms: ms().default(min).describe("first and shortest wait"),
    max_backoff_ms: ms().default(max).describe("longest wait"),
    multiplier: numeric("num", 1).default(2).describe("growth with each refusal"),
    honor_retry_after: flag().default(true).describe("wait as long as the provider asks"),
  }).prefault({});

const enabled = () => flag().default(true).describe("false: as if the block were not there");

/** Keys of `traffic_shape` of a provider, a catalog model or a target. */
export const upstreamShapeSchema = block({
  enabled: enabled(),
  ...buckets,
  upstream_429_backoff: backoff(1_000, 60_000).describe("after a rate limit of the provider"),
  upstream_quota_backoff: backoff(30_000, 300_000).describe("after an exhausted quota there"),
});

/** Keys of `traffic_shape` of a caller. */
export const callerShapeSchema = block({
  enabled: enabled(),
  ...buckets,
  queue: block({
    enabled: flag().default(false).describe("calls wait for room instead of being refused"),
    max_wait_ms: ms().default(0).describe("who would wait longer is refused"),
    max_depth: whole().default(0).describe("calls that may wait"),
  }).prefault({}).describe("first in, first out"),
});

/** `traffic_shape`, read. */
export type UpstreamShapeConfig = z.infer<typeof upstreamShapeSchema>;
export type CallerShapeConfig = z.infer<typeof callerShapeSchema>;
