import { shown } from "./cell.ts";
import { type Cell, column, type ReportColumn, type ReportRow, type Section } from "./report.ts";
import { max, sparkline } from "./sparkline.ts";

/** Markdown, or lines for a terminal. */
export type TableFormat = "md" | "table";

/** A row of this many columns or more reads better as a list. */
const LONG = 12;

/** Renders a section's charts and rows, with a newline at its end. */
export function renderTable(format: TableFormat, { report, rows }: Section): string {
  if (rows.length === 0) return "No rows.\n";
  const columns = report.columns.filter(({ name, isOptional }) =>
    !isOptional || rows.some((row) => (row[name] ?? null) !== null)
  );
  const charts = renderCharts(format, { report, rows });
  const isList = rows.length === 1 && columns.length >= LONG;
  return charts + (isList ? list(format, columns, rows[0]!) : table(format, columns, rows));
}

/** One row, turned: a table of two columns reads better than one of eighteen. */
export function list(
  format: TableFormat,
  columns: readonly ReportColumn[],
  row: ReportRow,
): string {
  const turned = columns.map((item) => ({
    what: item.title,
    value: shown(row[item.name] ?? null, item.format),
  }));
  // Numbers stand under each other where there is nothing else.
  const values = columns.every(({ format }) => format !== "text") ? "count" : "text";
  return table(format, [column("what", "What"), column("value", "Value", values)], turned);
}

function renderCharts(format: TableFormat, { report, rows }: Section): string {
  const charts = report.charts(rows).filter(({ points }) => points.some(({ value }) => value > 0n));
  if (charts.length === 0) return "";
  const width = Math.max(...charts.map(({ title }) => title.length));
  const lines = charts.map((chart) => {
    const values = chart.points.map(({ value }) => value);
    return `${chart.title.padEnd(width)}  ${sparkline(values)}  at most ${
      shown(max(values), chart.format)
    }\n`;
  });
  return format === "md" ? `\`\`\`text\n${lines.join("")}\`\`\`\n\n` : `${lines.join("")}\n`;
}

/** Rows as they are. */
export function table(
  format: TableFormat,
  columns: readonly ReportColumn[],
  rows: readonly Readonly<Record<string, Cell>>[],
): string {
  const escape = format === "md" ? escaped : printable;
  const cells = [
    columns.map(({ title }) => title),
    ...rows.map((row) =>
      columns.map(({ name, format }) => escape(shown(row[name] ?? null, format)))
    ),
  ];
  const widths = columns.map((_, place) =>
    Math.max(3, ...cells.map((line) => line[place]!.length))
  );
  const isText = (place: number) => ["text", "time"].includes(columns[place]!.format);
  const padded = (texts: readonly string[]) =>
    texts.map((text, place) =>
      isText(place) ? text.padEnd(widths[place]!) : text.padStart(widths[place]!)
    );
  if (format === "table") {
    return cells.map((line) => `${padded(line).join("  ").trimEnd()}\n`).join("");
  }
  const rule = widths.map((width, place) =>
    isText(place) ? "-".repeat(width) : `${"-".repeat(width - 1)}:`
  );
  return [cells[0]!, rule, ...cells.slice(1)]
    .map((line) => `| ${padded(line).join(" | ")} |\n`).join("");
}

const ENTITIES: Readonly<Record<string, string>> = { "<": "&lt;", ">": "&gt;", "&": "&amp;" };

/** Table syntax and HTML in a name must not change the page. */
function escaped(text: string): string {
  return text.replace(/[\r\n]+/g, " ")
    .replace(/[\\`*|<>[\]&]/g, (char) => ENTITIES[char] ?? `\\${char}`);
}

/** Control characters in a name must not steer the terminal. */
function printable(text: string): string {
  return text.replace(/\p{Cc}+/gu, " ");
}
