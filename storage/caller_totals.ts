import type { CallerTotals } from "../core/record.ts";
import type { Queries } from "./database.ts";

const SUMS = `
  SELECT
    count(*) AS requests,
    count(*) FILTER (WHERE status >= 400) AS errors,
    count(*) FILTER (WHERE cache = 'hit') AS cache_hits,
    cast(coalesce(sum(input_tokens), 0) AS bigint) AS input_tokens,
    cast(coalesce(sum(cached_input_tokens), 0) AS bigint) AS cached_input_tokens,
    cast(coalesce(sum(cache_write_tokens), 0) AS bigint) AS cache_write_tokens,
    cast(coalesce(sum(output_tokens), 0) AS bigint) AS output_tokens,
    cast(coalesce(sum(reasoning_tokens), 0) AS bigint) AS reasoning_tokens,
    cast(coalesce(sum(image_tokens), 0) AS bigint) AS image_tokens,
    coalesce(sum(total_cost_nusd), 0) AS cost_nusd,
    coalesce(sum(saved_nusd), 0) AS saved_nusd,
    count(*) FILTER (WHERE total_cost_nusd IS NULL) AS unpriced_requests
  FROM request_usage
  WHERE caller_id = $1 AND ts >= $2 AND ts < $3`;

/**
 * Adds up the rows of a caller with `from <= ts < to` (epoch ms). A call without a cost (NULL) is
 * unpriced. Written by hand: the storage worker starts 40 ms faster without a query builder.
 */
export async function callerTotals(
  db: Queries,
  { callerId, from, to }: { callerId: string; from: number; to: number },
): Promise<CallerTotals> {
  const [row] = await db.query(SUMS, callerId, from, to);
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
