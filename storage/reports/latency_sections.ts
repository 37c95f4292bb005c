import { sql } from "kysely";
import { isWanted } from "./calls.ts";
import { grouped } from "./grouped.ts";
import { caller, calls, group, model, outputTokens, provider, total } from "./measures.ts";
import { column, type Report } from "./report.ts";
import { selectReport } from "./select_report.ts";

const SPEED = "u.output_tokens * cast(1000 as bigint) / nullif(u.upstream_duration_ms, 0)";

/** How long callers and providers took. */
export const latencySections: readonly Report[] = [
  grouped({
    id: "downstream",
    title: "Latency of callers",
    isDefault: true,
    by: [caller, group],
    measures: [calls],
    percentiles: [
      { name: "latency", title: "Latency", row: "u.latency_ms", percents: [50, 95, 99] },
      { name: "ttft", title: "First content", row: "u.ttft_ms", percents: [50, 95] },
    ],
  }),
  grouped({
    id: "upstream",
    title: "Latency of providers",
    isDefault: true,
    by: [provider, model],
    measures: [
      calls,
      outputTokens,
      total("upstream_ms", "Time", { row: "u.upstream_duration_ms", format: "ms" }),
    ],
    derived: [{
      name: "tokens_per_second",
      title: "Tokens/s",
      format: "rate",
      of: "output_tokens * 1000 / nullif(upstream_ms, 0)",
    }],
    percentiles: [
      { name: "upstream", title: "Latency", row: "u.upstream_duration_ms", percents: [50, 95] },
      { name: "upstream_ttfb", title: "First byte", row: "u.upstream_ttfb_ms", percents: [50, 95] },
    ],
    where: "u.target_provider <> ''",
  }),
  selectReport({
    id: "throughput",
    title: "Throughput per call",
    columns: [
      column("request_id", "Call"),
      column("ts", "Time", "time"),
      column("target_provider", "Provider"),
      column("target_model", "Model"),
      column("output_tokens", "Output tokens", "count"),
      column("upstream_duration_ms", "Upstream", "ms"),
      column("tokens_per_second", "Tokens/s", "rate"),
    ],
    sort: { by: "tokens_per_second", direction: "desc" },
    select: (filter) =>
      sql`select u.*, ${sql.raw(SPEED)} as tokens_per_second from request_usage as u
        where ${isWanted(filter)} and u.status < 400 and u.output_tokens > 0
        and u.upstream_duration_ms > 0`,
  }),
];
