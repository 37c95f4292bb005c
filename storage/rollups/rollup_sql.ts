import { tables } from "../schema.ts";
import type { RollupType, RollupWindow } from "./window.ts";

/** Where the rows of a type go. */
export const ROLLUP_TABLES: Readonly<Record<RollupType, string>> = {
  hourly: "usage_rollup_hourly",
  daily: "usage_rollup_daily",
  monthly: "usage_rollup_monthly_billing",
};

/** The calls of a run: those of its window that were loaded after one moment and not after another. */
export interface RollupSource {
  readonly runId: string;
  readonly window: RollupWindow;
  /** `ingested_at`, epoch ms. */
  readonly after: number;
  readonly until: number;
}

/**
 * The condition that a call `u` belongs to a run. Numbers of ours: they need no place in the statement. The
 * signs keep SQLite from the index of `ingested_at`, by which it would read every call that is there.
 */
export function isOfRun({ window: { start, end }, after, until }: Omit<RollupSource, "runId">) {
  return `u.ts >= ${start} AND u.ts < ${end} AND +u.ingested_at > ${after} AND ` +
    `+u.ingested_at <= ${until}`;
}

/** Labels whose value is not the column of the same name. */
const LABELS: Readonly<Record<string, string>> = {
  policy_digest: "coalesce(u.policy_digest, '')",
  status_class: "cast(u.status / 100 as text) || 'xx'",
};

const countIf = (condition: string) => `sum(case when ${condition} then 1 else 0 end)`;

/** Sums that are not the sum of the column of the same name. */
const SUMS: Readonly<Record<string, string>> = {
  source_request_count: "count(*)",
  success_count: countIf("u.status < 400"),
  error_count: countIf("u.status >= 400"),
  partial_count: "sum(u.partial)",
  fallback_count: "sum(u.fallback_used)",
  attempt_count: "sum(u.attempts)",
  unpriced_count: countIf("u.total_cost_nusd IS NULL"),
  estimated_count: countIf("u.usage_source = 'estimated'"),
  cache_hit_count: countIf("u.cache = 'hit'"),
  cache_miss_count: countIf("u.cache = 'miss'"),
  cache_bypass_count: countIf("u.cache = 'bypass'"),
  latency_ms_sum: "sum(u.latency_ms)",
  latency_ms_max: "max(u.latency_ms)",
  overhead_us_sum: "sum(u.overhead_us)",
  ttft_ms_sum: "sum(u.ttft_ms)",
  ttft_ms_count: "count(u.ttft_ms)",
  ttft_ms_max: "max(u.ttft_ms)",
  upstream_ms_sum: "sum(u.upstream_duration_ms)",
  upstream_ms_count: "count(u.upstream_duration_ms)",
  downstream_ms_sum: "sum(u.downstream_duration_ms)",
  downstream_ms_count: "count(u.downstream_duration_ms)",
};

const OWN = ["run_id", "row_no", "bucket_start", "bucket_end"];

/** Inserts the rows of a run: sums over the calls that agree in all labels. */
export function insertRollup(source: RollupSource): string {
  const { window: { type, start, end } } = source;
  const { text = [], bool = [], bigint = [] } = tables.get(ROLLUP_TABLES[type])!.columns;
  const labels = [...text, ...bool].filter((name) => !OWN.includes(name));
  const sums = bigint.filter((name) => !OWN.includes(name));
  const names = [...labels, ...sums].join(", ");
  const label = (name: string) => LABELS[name] ?? `u.${name}`;
  const sum = (name: string) => `cast(coalesce(${SUMS[name] ?? `sum(u.${name})`}, 0) as bigint)`;
  const values = [
    ...labels.map((name) => `${label(name)} AS ${name}`),
    ...sums.map((name) => `${sum(name)} AS ${name}`),
  ];
  return `INSERT INTO ${ROLLUP_TABLES[type]} (run_id, row_no, bucket_start, bucket_end, ${names})
    SELECT '${source.runId}', row_number() OVER (ORDER BY ${labels.join(", ")}),
      ${start}, ${end}, ${names}
    FROM (
      SELECT ${values.join(", ")} FROM request_usage AS u
      WHERE ${isOfRun(source)} GROUP BY ${labels.map(label).join(", ")}
    ) AS sums`;
}

/** Upper bounds of histograms, ms; the last takes the rest. */
export const BOUNDS_MS: readonly number[] = [
  ...[10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 60_000, 300_000],
  2 ** 31 - 1,
];

const METRICS: Readonly<Record<string, string>> = {
  latency: "u.latency_ms",
  ttft: "u.ttft_ms",
  upstream: "u.upstream_duration_ms",
};

/** SQL of the bucket that a value is in. */
export function boundOf(value: string): string {
  const cases = BOUNDS_MS.map((le) => `WHEN ${value} <= ${le} THEN ${le}`);
  return `CASE ${cases.join(" ")} ELSE ${BOUNDS_MS.at(-1)} END`;
}

/** Inserts the histograms of a run. */
export function insertHistograms(source: RollupSource): string {
  const parts = Object.entries(METRICS).map(([metric, value]) =>
    `SELECT resolved_group, target_provider, target_model, '${metric}' AS metric,
      ${boundOf(value)} AS le_ms FROM source AS u WHERE ${value} IS NOT NULL`
  );
  const names = "resolved_group, target_provider, target_model, metric, le_ms";
  return `WITH source AS (SELECT * FROM request_usage AS u WHERE ${isOfRun(source)})
    INSERT INTO usage_rollup_histograms (run_id, row_no, bucket_start, ${names}, count)
    SELECT '${source.runId}', row_number() OVER (ORDER BY ${names}), ${source.window.start},
      ${names}, n
    FROM (
      SELECT ${names}, count(*) AS n FROM (${parts.join(" UNION ALL ")}) AS values_of_calls
      GROUP BY ${names}
    ) AS counted`;
}

/** What a kind of decision bucket counts: a name and a second one, per call. */
const BUCKETS: Readonly<Record<string, readonly [name: string, second: string, join: string]>> = {
  output_cap: ["d.requested_output_cap_bucket", "''", "request_shapes"],
  input_tokens: ["d.estimated_input_tokens_bucket", "''", "request_shapes"],
  admission: ["u.traffic_shape_decision", "u.traffic_shape_bucket", ""],
  signal: ["d.signal_name", "coalesce(d.text_value, '')", "request_routing_signals"],
  score: ["d.term_name", "d.score_name", "request_dynamic_score_terms"],
  threshold: ["cast(d.over_threshold as text)", "''", "request_routing_decisions"],
  filter: ["d.reason", "d.stage", "request_target_filter_reasons"],
};

/** Inserts the decision buckets of a run; a call counts once in each bucket it is in. */
export function insertDecisionBuckets(source: RollupSource): string {
  const parts = Object.entries(BUCKETS).map(([kind, [name, second, table]]) =>
    `SELECT DISTINCT u.request_id, u.resolved_group, u.strategy, u.status, u.total_tokens,
      u.total_cost_nusd, '${kind}' AS bucket_kind, ${name} AS bucket_name,
      ${second} AS secondary_bucket
      FROM request_usage AS u
      ${table === "" ? "" : `JOIN ${table} AS d ON d.request_id = u.request_id`}
      WHERE ${isOfRun(source)} AND ${name} <> ''`
  );
  const names = "resolved_group, strategy, bucket_kind, bucket_name, secondary_bucket";
  return `INSERT INTO usage_rollup_decision_buckets (run_id, row_no, bucket_start, ${names},
      source_request_count, error_count, total_tokens, total_cost_nusd)
    SELECT '${source.runId}', row_number() OVER (ORDER BY ${names}), ${source.window.start}, ${names},
      calls, errors, tokens, cost
    FROM (
      SELECT ${names}, count(*) AS calls,
        cast(sum(case when status >= 400 then 1 else 0 end) as bigint) AS errors,
        cast(sum(total_tokens) as bigint) AS tokens,
        cast(sum(total_cost_nusd) as bigint) AS cost
      FROM (${parts.join(" UNION ALL ")}) AS calls_in_buckets GROUP BY ${names}
    ) AS counted`;
}
