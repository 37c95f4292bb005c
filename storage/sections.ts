import { sql } from "kysely";
import type { Queries } from "./database.ts";
import { query, rows } from "./queries.ts";
import type { Report, ReportColumn, ReportFilter, ReportHead, ReportRow } from "./report.ts";

type Dimension = "resolved_group" | "target_provider" | "target_model" | "caller_id";

const TITLES: Readonly<Record<Dimension, string>> = {
  resolved_group: "Group",
  target_provider: "Provider",
  target_model: "Model",
  caller_id: "Caller",
};

/** Every section, in the order in which they are printed. */
export const sections: readonly Report[] = [
  {
    id: "overview",
    title: "Overview",
    columns: [
      { name: "calls", title: "Calls", format: "count" },
      { name: "errors", title: "Errors", format: "count" },
      { name: "partials", title: "Partial", format: "count" },
      { name: "input_tokens", title: "Input tokens", format: "count" },
      { name: "cached_input_tokens", title: "of them cached", format: "count" },
      { name: "cache_write_tokens", title: "of them cache writes", format: "count" },
      { name: "image_tokens", title: "of them images", format: "count" },
      { name: "output_tokens", title: "Output tokens", format: "count" },
      { name: "reasoning_tokens", title: "of them reasoning", format: "count" },
      { name: "cost_nusd", title: "Cost", format: "nusd" },
      { name: "other_attempts_cost_nusd", title: "Cost of other attempts", format: "nusd" },
      { name: "spend_nusd", title: "Spend", format: "nusd" },
      { name: "saved_nusd", title: "Saved", format: "nusd" },
      { name: "unpriced", title: "Unpriced", format: "count" },
      { name: "estimated", title: "Estimated usage", format: "count" },
      { name: "latency_p50_ms", title: "Latency p50", format: "ms" },
      { name: "latency_p95_ms", title: "Latency p95", format: "ms" },
      { name: "latency_p99_ms", title: "Latency p99", format: "ms" },
    ],
    query: async (db, filter) => [
      { ...await overview(db, filter), ...await percentiles(db, filter) },
    ],
  },
  volume("groups", "Groups", ["resolved_group"]),
  volume("providers", "Targets", ["target_provider", "target_model"]),
  volume("callers", "Callers", ["caller_id"]),
  {
    id: "errors",
    title: "Errors",
    columns: [
      { name: "error", title: "Error", format: "text" },
      { name: "error_class", title: "Class", format: "text" },
      { name: "error_origin", title: "Origin", format: "text" },
      { name: "status", title: "Status", format: "count" },
      { name: "calls", title: "Calls", format: "count" },
    ],
    query: (db, filter) =>
      rows(
        db,
        usage(filter)
          .where("status", ">=", 400n)
          .select(["error", "error_class", "error_origin", "status"])
          .select(({ fn }) => fn.countAll<bigint>().as("calls"))
          .groupBy(["error", "error_class", "error_origin", "status"])
          .orderBy("calls", "desc").orderBy("error").orderBy("status")
          .limit(filter.limit),
      ),
  },
];

/** What stands above the sections. */
export async function reportHead(db: Queries, filter: ReportFilter): Promise<ReportHead> {
  const [counts] = await rows(
    db,
    usage(filter).select(({ fn }) => [fn.countAll<bigint>().as("calls"), unpriced]),
  );
  return {
    filter,
    calls: counts?.calls ?? 0n,
    unpriced: counts?.unpriced ?? 0n,
    completeTo: await completeTo(db),
  };
}

const DAY_MS = 86_400_000n;

/** The oldest shipped position of the journals that moved within a day of the newest. */
async function completeTo(db: Queries): Promise<bigint | null> {
  const journals = await rows(
    db,
    query.selectFrom("usage_journal_offsets").select(["last_ts", "updated_at"])
      .where("kind", "=", "requests").where("last_ts", ">", 0n),
  );
  const newest = journals.reduce((max, { updated_at }) => updated_at > max ? updated_at : max, 0n);
  const live = journals.filter(({ updated_at }) => updated_at > newest - DAY_MS);
  return live.reduce<bigint | null>(
    (min, { last_ts }) => min === null || last_ts < min ? last_ts : min,
    null,
  );
}

function usage({ from, to }: ReportFilter) {
  return query.selectFrom("request_usage")
    .where("ts", ">=", BigInt(from)).where("ts", "<", BigInt(to));
}

const total = (column: string) => sql<bigint>`cast(coalesce(sum(${sql.ref(column)}), 0) as bigint)`;
const matching = (condition: ReturnType<typeof sql<boolean>>) =>
  sql<bigint>`count(*) filter (where ${condition})`;
const unpriced = matching(sql`total_cost_nusd is null`).as("unpriced");
const errors = matching(sql`status >= 400`).as("errors");

async function overview(db: Queries, filter: ReportFilter): Promise<ReportRow> {
  const [row] = await rows(
    db,
    usage(filter).select(({ fn }) => [
      fn.countAll<bigint>().as("calls"),
      errors,
      matching(sql`partial = 1`).as("partials"),
      total("input_tokens").as("input_tokens"),
      total("cached_input_tokens").as("cached_input_tokens"),
      total("cache_write_tokens").as("cache_write_tokens"),
      total("image_tokens").as("image_tokens"),
      total("output_tokens").as("output_tokens"),
      total("reasoning_tokens").as("reasoning_tokens"),
      total("total_cost_nusd").as("cost_nusd"),
      total("other_attempts_cost_nusd").as("other_attempts_cost_nusd"),
      sql<bigint>`${total("total_cost_nusd")} + ${total("other_attempts_cost_nusd")}`
        .as("spend_nusd"),
      total("saved_nusd").as("saved_nusd"),
      unpriced,
      matching(sql`usage_source = 'estimated'`).as("estimated"),
    ]),
  );
  return row!;
}

/** Nearest rank: the smallest latency that p percent of the calls do not pass. */
async function percentiles(db: Queries, filter: ReportFilter): Promise<ReportRow> {
  const ranked = usage(filter).select([
    "latency_ms",
    sql<bigint>`row_number() over (order by latency_ms)`.as("place"),
    sql<bigint>`count(*) over ()`.as("calls"),
  ]);
  // A number would be bound as a float, and the division would not be whole.
  const at = (percent: number) =>
    sql<bigint | null>`max(latency_ms) filter (where place = (calls * ${
      BigInt(percent)
    } + 99) / 100)`;
  const [row] = await rows(
    db,
    query.selectFrom(ranked.as("ranked")).select([
      at(50).as("latency_p50_ms"),
      at(95).as("latency_p95_ms"),
      at(99).as("latency_p99_ms"),
    ]),
  );
  return row!;
}

/** Volume and cost by some columns, most calls first. */
function volume(id: string, title: string, by: readonly Dimension[]): Report {
  const columns: ReportColumn[] = [
    ...by.map((name) => ({ name, title: TITLES[name], format: "text" as const })),
    { name: "calls", title: "Calls", format: "count" },
    { name: "errors", title: "Errors", format: "count" },
    { name: "total_tokens", title: "Tokens", format: "count" },
    { name: "cost_nusd", title: "Cost", format: "nusd" },
    { name: "unpriced", title: "Unpriced", format: "count" },
  ];
  return {
    id,
    title,
    columns,
    query: (db, filter) =>
      rows(
        db,
        usage(filter)
          .select(by)
          .select(({ fn }) => [
            fn.countAll<bigint>().as("calls"),
            errors,
            total("total_tokens").as("total_tokens"),
            total("total_cost_nusd").as("cost_nusd"),
            unpriced,
          ])
          .groupBy(by)
          .orderBy("calls", "desc").orderBy(by[0]!)
          .limit(filter.limit),
      ),
  };
}
