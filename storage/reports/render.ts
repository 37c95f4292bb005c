import { plain, share, shownTime, time } from "./cell.ts";
import type { OutputFormat } from "./formats.ts";
import { type Paper, renderTable } from "./render_table.ts";
import type { Cell, Format, ReportFilter, ReportHead, ReportRow, Section } from "./report.ts";

/** Renders a report, with a newline at its end; `width`: columns of the terminal. */
export function render(
  format: OutputFormat,
  head: ReportHead,
  sections: readonly Section[],
  width: number,
): string {
  switch (format) {
    case "md":
    case "table":
      return page({ format, width }, head, sections);
    case "csv":
      return csv(sections);
    case "json":
      return json(head, sections);
  }
}

function page(
  paper: Paper,
  head: ReportHead,
  sections: readonly Section[],
): string {
  const title = (text: string, level: 1 | 2) =>
    paper.format === "md" ? `${"#".repeat(level)} ${text}\n` : `${text}\n`;
  const bullet = paper.format === "md" ? "- " : "";
  const facts = factsOf(head).map((fact) => `${bullet}${fact}\n`).join("");
  const parts = sections.map((section) =>
    `\n${title(section.report.title, 2)}\n${renderTable(paper, section)}`
  );
  return `${title("Usage report", 1)}\n${facts}${parts.join("")}`;
}

const INTERPOLATED = "Part of them is read from rollups: percentiles over time are interpolated.";

function factsOf({ filter, calls, unpriced, completeTo, isInterpolated }: ReportHead): string[] {
  const { from, to, baseline } = filter;
  const filters = Object.entries(filtersOf(filter));
  return [
    `Window: ${shownTime(BigInt(from))} to ${shownTime(BigInt(to))} (UTC, end not included)`,
    ...filters.length === 0
      ? []
      : [`Filters: ${filters.map(([name, value]) => `${name} = ${value}`).join(", ")}`],
    ...baseline ? [`Baseline: ${baseline.name}`] : [],
    `Complete to: ${completeTo === null ? "nothing shipped yet" : shownTime(completeTo)}`,
    `Rows: ${calls} calls, ${share(unpriced, calls)} unpriced. ${
      isInterpolated ? INTERPOLATED : "Percentiles are exact."
    }`,
  ];
}

/** What was asked for, by name. */
function filtersOf(filter: ReportFilter): Readonly<Record<string, string>> {
  const { labels, status, tokenIdPrefix, trafficShapedOnly } = filter;
  return {
    ...labels,
    ...status && { status: status[0] === status[1] ? `${status[0]}` : `${status[0]}-${status[1]}` },
    ...tokenIdPrefix !== null && { token_id_prefix: tokenIdPrefix },
    ...trafficShapedOnly && { traffic_shaped_only: "true" },
  };
}

function csv(sections: readonly Section[]): string {
  return sections.map(({ report: { columns }, rows }) => {
    const lines = rows.map((row) =>
      columns.map(({ name, format }) => csvCell(disarmed(row[name] ?? null), format))
    );
    const header = columns.map(({ name, format }) =>
      format === "nusd" ? name.replace(/_nusd$/, "_usd") : name
    );
    return [header, ...lines].map((line) => `${line.join(",")}\r\n`).join("");
  }).join("\r\n");
}

function csvCell(value: Cell, format: Format): string {
  const text = plain(value, format);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** A text that a spreadsheet would take for a formula gets an apostrophe. */
function disarmed(value: Cell): Cell {
  return typeof value === "string" && /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
}

function json(head: ReportHead, sections: readonly Section[]): string {
  const { filter, calls, unpriced, completeTo } = head;
  return exactJson({
    from: new Date(filter.from).toISOString(),
    to: new Date(filter.to).toISOString(),
    filters: filtersOf(filter),
    baseline: filter.baseline?.id ?? null,
    complete_to: completeTo === null ? null : time(completeTo),
    calls,
    unpriced,
    percentiles: head.isInterpolated ? "interpolated" : "exact",
    sections: Object.fromEntries(sections.map((section) => [section.report.id, rowsOf(section)])),
  });
}

function rowsOf({ report: { columns }, rows }: Section): readonly ReportRow[] {
  return rows.map((row) =>
    Object.fromEntries(columns.map(({ name }) => [name, row[name] ?? null]))
  );
}

/** JSON in which integers of every size have all of their digits. */
export function exactJson(value: unknown): string {
  const exact = (_: string, item: unknown) => typeof item === "bigint" ? rawNumber(item) : item;
  return `${JSON.stringify(value, exact, 2)}\n`;
}

/** An integer with all of its digits. TypeScript does not know `JSON.rawJSON` yet. */
function rawNumber(value: bigint): unknown {
  return (JSON as unknown as { rawJSON(text: string): unknown }).rawJSON(String(value));
}
