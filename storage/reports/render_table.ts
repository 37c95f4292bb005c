import { shown } from "./cell.ts";
import { type Cell, column, type ReportColumn, type ReportRow, type Section } from "./report.ts";
import { max, sparkline, WIDEST } from "./sparkline.ts";

/** Markdown, or lines for a terminal of so many columns. */
export interface Paper {
  readonly format: "md" | "table";
  readonly width: number;
}

/** A row of this many columns or more reads better as a list. */
const LONG = 12;
/** Bars a chart has however narrow the terminal. */
const NARROWEST = 8;

/** Renders a section's charts and rows, with a newline at its end. */
export function renderTable(paper: Paper, { report, rows }: Section): string {
  if (rows.length === 0) return "No rows.\n";
  const columns = report.columns.filter(({ name, isOptional }) =>
    !isOptional || rows.some((row) => (row[name] ?? null) !== null)
  );
  const charts = renderCharts(paper, { report, rows });
  const isList = rows.length === 1 && columns.length >= LONG;
  return charts + (isList ? list(paper, columns, rows[0]!) : table(paper, columns, rows));
}

/** One row, turned: a table of two columns reads better than one of eighteen. */
export function list(
  paper: Paper,
  columns: readonly ReportColumn[],
  row: ReportRow,
): string {
  const turned = columns.map((item) => ({
    what: item.title,
    value: shown(row[item.name] ?? null, item.format),
  }));
  // Numbers stand under each other where there is nothing else.
  const values = columns.every(({ format }) => format !== "text") ? "count" : "text";
  return table(paper, [column("what", "What"), column("value", "Value", values)], turned);
}

function renderCharts(paper: Paper, { report, rows }: Section): string {
  const charts = report.charts(rows).filter(({ points }) => points.some(({ value }) => value > 0n));
  if (charts.length === 0) return "";
  const width = Math.max(...charts.map(({ title }) => title.length));
  const lines = charts.map((chart) => {
    const values = chart.points.map(({ value }) => value);
    const most = `at most ${shown(max(values), chart.format)}`;
    const room = paper.width - width - most.length - 2 * GAP.length;
    const line = sparkline(values, Math.min(WIDEST, Math.max(NARROWEST, room)));
    return `${chart.title.padEnd(width)}${GAP}${line}${GAP}${most}\n`;
  });
  return paper.format === "md" ? `\`\`\`text\n${lines.join("")}\`\`\`\n\n` : `${lines.join("")}\n`;
}

/** Rows as they are; on a terminal, columns that do not fit follow below. */
export function table(
  paper: Paper,
  columns: readonly ReportColumn[],
  rows: readonly Readonly<Record<string, Cell>>[],
): string {
  const escape = paper.format === "md" ? escaped : printable;
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
  if (paper.format === "table") {
    const lines = cells.map(padded);
    const labels = labelsOf(columns, widths, paper.width);
    return bands(widths, { labels, most: paper.width }).map((places) =>
      lines.map((line) => `${places.map((place) => line[place]).join(GAP).trimEnd()}\n`).join("")
    ).join("\n");
  }
  const rule = widths.map((width, place) =>
    isText(place) ? "-".repeat(width) : `${"-".repeat(width - 1)}:`
  );
  return [cells[0]!, rule, ...cells.slice(1)]
    .map((line) => `| ${padded(line).join(" | ")} |\n`).join("");
}

const GAP = "  ";

/** Places of columns that stand beside each other, band by band; each begins with the labels. */
function bands(
  widths: readonly number[],
  { labels, most }: { readonly labels: number; readonly most: number },
): readonly (readonly number[])[] {
  const own = [...widths.keys()].slice(0, labels);
  const taken = (places: readonly number[]) =>
    places.reduce((sum, place) => sum + widths[place]! + GAP.length, -GAP.length);
  const found = [[...own]];
  for (const place of [...widths.keys()].slice(labels)) {
    const last = found.at(-1)!;
    const fits = last.length === labels || taken([...last, place]) <= most;
    if (fits) last.push(place);
    else found.push([...own, place]);
  }
  return found;
}

/** Columns that say whose row it is: texts at its begin, as long as they leave room for numbers. */
function labelsOf(columns: readonly ReportColumn[], widths: readonly number[], most: number) {
  let [labels, taken] = [1, widths[0] ?? 0];
  while (columns[labels]?.format === "text") {
    taken += GAP.length + widths[labels]!;
    if (taken > most / 2) break;
    labels += 1;
  }
  return labels;
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
