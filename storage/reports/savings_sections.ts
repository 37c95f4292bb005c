import type { BaselinePrices } from "../../core/snapshot.ts";
import { baselineCost } from "./baseline.ts";
import { grouped, share } from "./grouped.ts";
import {
  callerUser,
  calls,
  countOf,
  type Dimension,
  environment,
  group,
  type Measure,
  model,
  project,
  provider,
  token,
  total,
} from "./measures.ts";
import type { Report, ReportFilter } from "./report.ts";

const NULL_BASELINE: BaselinePrices = {
  id: "",
  name: "",
  input: 0n,
  cachedInput: 0n,
  cacheWrite: 0n,
  output: 0n,
};

/**
 * What calls cost, and would have cost. A call without a price is on neither side; a failed one only
 * cost; a hit of the response cache cost nothing, and its part is shown apart.
 */
export function savingsMeasures(baseline: BaselinePrices): readonly Measure[] {
  const would = `case when u.status < 400 and u.total_cost_nusd is not null then ${
    baselineCost(baseline)
  } else 0 end`;
  const money = (name: string, title: string, row: string) =>
    total(name, title, { row, format: "nusd" });
  return [
    money("baseline_nusd", "Baseline", would),
    money("actual_nusd", "Actual", "coalesce(u.total_cost_nusd, 0)"),
    money(
      "cache_savings_nusd",
      "of them by the cache",
      `case when u.cache = 'hit' then ${would} - coalesce(u.total_cost_nusd, 0) else 0 end`,
    ),
    countOf("left_out", "Left out", "u.total_cost_nusd is null"),
    money("savings_nusd", "Savings", `${would} - coalesce(u.total_cost_nusd, 0)`),
  ];
}

const rate = share("savings_rate_micro", "Rate", ["savings_nusd", "baseline_nusd"]);

/** What routing saved against a baseline. */
export const savingsSections: readonly Report[] = [
  by("savings", "Savings", []),
  by("savings-by-user", "Savings by user", [callerUser]),
  by("savings-by-key", "Savings by key", [token]),
  by("savings-by-group", "Savings by group", [group]),
  by("savings-by-project", "Savings by project", [project, environment]),
  by("savings-by-provider-model", "Savings by provider and model", [provider, model]),
];

function by(id: string, title: string, dimensions: readonly Dimension[]): Report {
  const at = (baseline: BaselinePrices) =>
    grouped({
      id,
      title,
      by: dimensions,
      measures: [calls, ...savingsMeasures(baseline)],
      derived: [rate],
      sort: { by: "savings_nusd", direction: "desc" },
    });
  return {
    ...at(NULL_BASELINE),
    needsBaseline: true,
    query: (db, filter) => at(baselineOf(filter)).query(db, filter),
  };
}

function baselineOf({ baseline }: ReportFilter): BaselinePrices {
  if (baseline) return baseline;
  throw new RangeError("Cannot report savings: no baseline is given (see --baseline)");
}
