import type { Format, ReportColumn } from "./report.ts";

/** Something to group by. */
export interface Dimension extends ReportColumn {
  /** Of a call `u`; the same name stands in the rollups, unless it is marked otherwise. */
  readonly row: string;
  readonly isInRollups: boolean;
}

/** A sum over calls. */
export interface Measure extends ReportColumn {
  /** What a call `u` adds to it; NULL adds nothing. */
  readonly row: string;
  /** What a row `r` of a rollup adds; `null` when rollups do not know. */
  readonly rollup: string | null;
}

/** A label of `request_usage`. */
export function label(name: string, title: string, { isInRollups = true } = {}): Dimension {
  return { name, title, format: "text", row: `u.${name}`, isInRollups };
}

/** A label that may be NULL. */
export function optionalLabel(name: string, title: string): Dimension {
  return { ...label(name, title, { isInRollups: false }), row: `coalesce(u.${name}, '')` };
}

/** A sum. */
export function total(
  name: string,
  title: string,
  { row = `u.${name}`, rollup = null, format = "count" }: {
    row?: string;
    rollup?: string | null;
    format?: Format;
  } = {},
): Measure {
  return { name, title, format, row, rollup };
}

/** A count of calls that are in some way. */
export function countOf(
  name: string,
  title: string,
  condition: string,
  rollup: string | null = null,
): Measure {
  return total(name, title, { row: `case when ${condition} then 1 else 0 end`, rollup });
}

/** A sum whose column has the same name in calls and in rollups. */
function both(name: string, title: string, format: Format = "count"): Measure {
  return total(name, title, { rollup: `r.${name}`, format });
}

/** A dimension as rollups spell it: time is the only one that they name differently. */
export function rollupOf({ row }: Dimension): string {
  return row.replaceAll("u.ts", "r.bucket_start").replaceAll("u.", "r.");
}

export const calls = total("calls", "Calls", { row: "1", rollup: "r.source_request_count" });
export const errors = countOf("errors", "Errors", "u.status >= 400", "r.error_count");
export const partials = total("partials", "Partial", {
  row: "u.partial",
  rollup: "r.partial_count",
});
const inputTokens = both("input_tokens", "Input tokens");
export const outputTokens = both("output_tokens", "Output tokens");
export const totalTokens = both("total_tokens", "Tokens");
export const cost = total("cost_nusd", "Cost", {
  row: "u.total_cost_nusd",
  rollup: "r.total_cost_nusd",
  format: "nusd",
});
const otherCost = both("other_attempts_cost_nusd", "Cost of other attempts", "nusd");
const spend = total("spend_nusd", "Spend", {
  row: "cast(coalesce(u.total_cost_nusd, 0) as numeric) + coalesce(u.other_attempts_cost_nusd, 0)",
  rollup: "cast(r.total_cost_nusd as numeric) + r.other_attempts_cost_nusd",
  format: "nusd",
});
export const saved = both("saved_nusd", "Saved", "nusd");
export const unpriced = countOf(
  "unpriced",
  "Unpriced",
  "u.total_cost_nusd is null",
  "r.unpriced_count",
);

/** What all of the calls came to. */
export const overviewMeasures: readonly Measure[] = [
  calls,
  errors,
  partials,
  inputTokens,
  both("cached_input_tokens", "of them cached"),
  both("cache_write_tokens", "of them cache writes"),
  both("image_tokens", "of them images"),
  outputTokens,
  both("reasoning_tokens", "of them reasoning"),
  cost,
  otherCost,
  spend,
  saved,
  unpriced,
  countOf("estimated", "Estimated usage", "u.usage_source = 'estimated'", "r.estimated_count"),
];

/** How much, and for how much. */
export const volume: readonly Measure[] = [
  calls,
  errors,
  inputTokens,
  outputTokens,
  totalTokens,
  cost,
  spend,
  unpriced,
];

export const group = label("resolved_group", "Group");
export const provider = label("target_provider", "Provider");
export const model = label("target_model", "Model");
export const caller = label("caller_id", "Caller");
export const callerUser = label("caller_user", "User");
export const project = label("caller_project", "Project");
export const environment = label("caller_environment", "Environment");
export const token = label("token_id", "Token");
export const client = label("client", "Client");
