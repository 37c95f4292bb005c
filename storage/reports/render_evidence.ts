import type { Evidence } from "./evidence.ts";
import { exactJson } from "./render.ts";
import { list, type Paper, table } from "./render_table.ts";
import { type Cell, column, type Format, type ReportColumn, type ReportRow } from "./report.ts";

/** Renders what is known of a call, with a newline at its end; `width`: columns of the terminal. */
export function renderEvidence(
  format: Paper["format"] | "json",
  evidence: Evidence,
  width: number,
): string {
  return format === "json" ? json(evidence) : page({ format, width }, evidence);
}

const TITLES: Readonly<Record<string, string>> = {
  request: "Call",
  costs: "Costs",
  tokens: "Tokens",
  timing: "Timing",
  limits: "Limits",
  shaping: "Shaping",
  attempts: "Attempts",
  errors: "Error",
  sanitizedUpstreamErrors: "What providers said",
  trace: "Trace",
  trafficShapeEvents: "Shaping, step by step",
  upstreamShapeEvents: "Capacity of providers",
  shape: "Shape of the request",
  translations: "Translation",
  translationFields: "Translated fields",
  estimates: "Estimate",
  capture: "Captures",
  request_routing_decisions: "Decision",
  request_target_candidates: "Targets",
  request_target_filter_reasons: "Why targets were left out",
  request_dynamic_score_terms: "Terms of scores",
  request_routing_signals: "Signals of targets",
  request_decision_shape_features: "Features",
  request_cache_reasons: "Cache",
  request_policy_executions: "Policies",
  request_shadow_results: "Shadow policies",
  request_fallback_transitions: "From target to target",
};

function page(paper: Paper, { parts, rows, decisionTelemetry, ...rest }: Evidence): string {
  const { presence, completeness } = rest;
  const missing = Object.entries(presence).filter(([, is]) => is === "missing");
  const title = (text: string, level: 1 | 2) =>
    paper.format === "md" ? `${"#".repeat(level)} ${text}\n\n` : `${text}\n\n`;
  const section = (name: string, body: string) =>
    body === "" ? "" : `\n${title(TITLES[name] ?? name, 2)}${body}`;
  const all = { ...rows, ...decisionTelemetry };
  return [
    title(`Call ${String(parts.request.request_id)}`, 1),
    `Evidence: ${completeness}${
      missing.length === 0 ? "" : `; missing: ${missing.map(([name]) => name).join(", ")}`
    }\n`,
    ...Object.entries(parts).map(([name, row]) => section(name, told(paper, [row]))),
    ...Object.entries(all).map(([name, list]) => section(name, told(paper, list))),
  ].join("");
}

/** Rows without the columns that say nothing in any of them: most columns of a call are empty. */
function told(paper: Paper, rows: readonly ReportRow[]): string {
  const columns = Object.keys(rows[0] ?? {})
    .filter((name) => rows.some((row) => says(row[name] ?? null)))
    .map((name): ReportColumn => column(name, name, formatOf(name, rows)));
  if (columns.length === 0) return "";
  if (rows.length > 1) return table(paper, columns, rows);
  return list(paper, columns, rows[0]!);
}

function says(value: Cell): boolean {
  return value !== null && value !== "" && value !== 0n;
}

const ENDINGS: readonly (readonly [RegExp, Format])[] = [
  [/^ts$|_at$|^retention_until$/, "time"],
  [/_nusd$/, "nusd"],
  [/_ms$/, "ms"],
  [/_us$/, "us"],
];

function formatOf(name: string, rows: readonly ReportRow[]): Format {
  const isText = rows.some((row) => typeof row[name] === "string");
  return isText ? "text" : ENDINGS.find(([ending]) => ending.test(name))?.[1] ?? "count";
}

function json({ parts, rows, decisionTelemetry, presence, completeness }: Evidence): string {
  const camel = (row: ReportRow) =>
    Object.fromEntries(Object.entries(row).map(([name, value]) => [camelCase(name), value]));
  const each = <Of>(of: Readonly<Record<string, Of>>, change: (item: Of) => unknown) =>
    Object.fromEntries(Object.entries(of).map(([name, item]) => [camelCase(name), change(item)]));
  return exactJson({
    ...each(parts, camel),
    ...each(rows, (list) => list.map(camel)),
    decisionTelemetry: each(decisionTelemetry, (list) => list.map(camel)),
    diagnosticCompleteness: completeness,
    evidenceSections: presence,
  });
}

function camelCase(name: string): string {
  return name.replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}
