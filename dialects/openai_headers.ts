import type { RateStanding } from "@/core/limits/standing.ts";

/**
 * How the caller's limits stand, as the OpenAI SDKs read it.
 *
 * @see https://platform.openai.com/docs/guides/rate-limits
 */
export function openAiLimitHeaders(rate: RateStanding): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const kind of ["requests", "tokens"] as const) {
    const standing = rate[kind];
    if (standing === null) continue;
    headers[`x-ratelimit-limit-${kind}`] = String(standing.limit);
    headers[`x-ratelimit-remaining-${kind}`] = String(standing.remaining);
    headers[`x-ratelimit-reset-${kind}`] = duration(standing.emptyMs);
  }
  return headers;
}

/** `850ms`, `12s`, `1m3s`; never shorter than the time. */
function duration(ms: number): string {
  if (ms < 1000) return `${Math.ceil(ms)}ms`;
  const seconds = Math.ceil(ms / 1000);
  return seconds < 60 ? `${seconds}s` : `${Math.floor(seconds / 60)}m${seconds % 60}s`;
}

/** Caller headers that go to a provider of the caller's own OpenAI dialect. */
export function openAiHeaders(headers: Headers): Record<string, string> {
  const beta = headers.get("openai-beta");
  return beta === null ? {} : { "openai-beta": beta };
}
