import type { BackoffOptions } from "../limits/backoff.ts";
import type { CallerShape } from "../limits/caller_shapes.ts";
import type { ShapeSizes } from "../limits/shape.ts";
import type { ShapeScope, UpstreamShape } from "../limits/upstream_shapes.ts";
import type { CallerShapeConfig, UpstreamShapeConfig } from "./schema_shapes.ts";

/** A block of a provider, model or target; none when it is absent or off. */
export function compileUpstreamShape(
  scope: ShapeScope,
  id: string,
  config: UpstreamShapeConfig | undefined,
): readonly UpstreamShape[] {
  if (!config?.enabled) return [];
  return [{
    scope,
    id: `${scope}:${id}`,
    sizes: sizes(config),
    backoff: {
      429: backoff(config.upstream_429_backoff),
      quota: backoff(config.upstream_quota_backoff),
    },
  }];
}

/** A caller's own block, else the server's for callers without one. */
export function compileCallerShape(
  own: CallerShapeConfig | undefined,
  fallback: CallerShapeConfig | undefined,
): CallerShape | null {
  const config = own ?? fallback;
  if (!config?.enabled) return null;
  const { queue } = config;
  return {
    sizes: sizes(config),
    queue: queue.enabled ? { maxWaitMs: queue.max_wait_ms, maxDepth: queue.max_depth } : null,
  };
}

function sizes(config: UpstreamShapeConfig | CallerShapeConfig): ShapeSizes {
  const pairs = [
    ["request_start_per_sec", config.request_burst],
    ["input_tokens_per_sec", config.input_token_burst],
    ["output_reservation_tokens_per_sec", config.output_reservation_token_burst],
    ["total_reserved_tokens_per_sec", config.total_reserved_token_burst],
  ] as const;
  return Object.fromEntries(
    pairs.filter(([name]) => config[name] > 0)
      .map(([name, burst]) => [name, { rate: config[name], burst }]),
  );
}

function backoff(config: UpstreamShapeConfig["upstream_429_backoff"]): BackoffOptions | null {
  if (!config.enabled) return null;
  return {
    minMs: config.min_backoff_ms,
    maxMs: config.max_backoff_ms,
    multiplier: config.multiplier,
    honorRetryAfter: config.honor_retry_after,
  };
}
