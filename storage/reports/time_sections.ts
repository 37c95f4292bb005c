import { DAY_MS } from "../../core/period.ts";
import { grouped } from "./grouped.ts";
import { calls, cost, type Dimension, errors, totalTokens } from "./measures.ts";
import type { Percentiles } from "./percentiles.ts";
import type { Chart, Format, Report, ReportColumn, ReportRow } from "./report.ts";
import { savingsMeasures } from "./savings_sections.ts";

const latency: Percentiles = {
  name: "latency",
  title: "Latency",
  row: "u.latency_ms",
  metric: "latency",
  percents: [50, 95],
};

/** Empty where no baseline is given. */
const COMPARED: readonly ReportColumn[] = [
  { name: "baseline_nusd", title: "Baseline", format: "nusd", isOptional: true },
  { name: "savings_nusd", title: "Savings", format: "nusd", isOptional: true },
];

const HOUR_MS = 3_600_000;

/** Usage hour by hour, and day by day (UTC). */
export const timeSections: readonly Report[] = [
  overTime("hourly", "Hours", HOUR_MS),
  overTime("daily", "Days", DAY_MS),
];

function overTime(id: string, title: string, spanMs: number): Report {
  const bucket: Dimension = {
    name: "begin",
    title: "From",
    format: "time",
    row: `u.ts - u.ts % ${spanMs}`,
    isInRollups: true,
  };
  const grouping = {
    id,
    title,
    isDefault: true,
    by: [bucket],
    measures: [calls, errors, totalTokens, cost],
    percentiles: [latency],
    grain: spanMs === HOUR_MS ? "hour" : "day",
    sort: { by: "begin", direction: "desc" },
    charts: (rows: readonly ReportRow[]) => charts(rows, spanMs),
  } as const;
  const plain = grouped(grouping);
  const split = plain.columns.length - latency.percents.length;
  return {
    ...plain,
    columns: [...plain.columns.slice(0, split), ...COMPARED, ...plain.columns.slice(split)],
    query: (db, filter) => {
      if (!filter.baseline) return plain.query(db, filter);
      const measures = [...grouping.measures, ...savingsMeasures(filter.baseline)];
      return grouped({ ...grouping, measures }).query(db, filter);
    },
  };
}

const CHARTED: readonly (readonly [name: string, title: string, format: Format])[] = [
  ["calls", "Calls", "count"],
  ["errors", "Errors", "count"],
  ["total_tokens", "Tokens", "count"],
  ["cost_nusd", "Cost", "nusd"],
  ["latency_p95_ms", "Latency p95", "ms"],
];

/** Spans without a call have a point as well: a gap is what a chart is looked at for. */
function charts(rows: readonly ReportRow[], spanMs: number): readonly Chart[] {
  const byBegin = new Map(rows.map((row) => [Number(row.begin), row]));
  const begins = [...byBegin.keys()];
  if (begins.length < 2) return [];
  const [first, last] = [Math.min(...begins), Math.max(...begins)];
  const times = Array.from(
    { length: (last - first) / spanMs + 1 },
    (_, place) => first + place * spanMs,
  );
  return CHARTED.map(([name, title, format]) => ({
    title,
    format,
    points: times.map((at) => ({ at: BigInt(at), value: BigInt(byBegin.get(at)?.[name] ?? 0) })),
  }));
}
