import type { RateStanding } from "@/core/limits/standing.ts";

/**
 * How the caller's limits stand, as the Anthropic SDKs read it.
 *
 * @see https://docs.anthropic.com/en/api/rate-limits
 */
export function anthropicLimitHeaders(rate: RateStanding): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const kind of ["requests", "tokens"] as const) {
    const standing = rate[kind];
    if (standing === null) continue;
    const prefix = `anthropic-ratelimit-${kind}`;
    headers[`${prefix}-limit`] = String(standing.limit);
    headers[`${prefix}-remaining`] = String(standing.remaining);
    headers[`${prefix}-reset`] = new Date(rate.now + Math.ceil(standing.emptyMs)).toISOString();
  }
  return headers;
}
