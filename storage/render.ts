import type { Cell, Format, ReportColumn, ReportHead, Section } from "./report.ts";

/** Ways to print a report. */
export const FORMATS = ["md", "csv", "json"] as const;
export type OutputFormat = typeof FORMATS[number];

/** Renders a report, with a newline at its end. */
export function render(
  format: OutputFormat,
  head: ReportHead,
  sections: readonly Section[],
): string {
  switch (format) {
    case "md":
      return markdown(head, sections);
    case "csv":
      return csv(sections);
    case "json":
      return json(head, sections);
  }
}

/**
 * Nano-USD as USD, at least two decimals.
 *
 * @example Usage
 * ```ts
 * import { usd } from "@/storage/render.ts";
 *
 * if (usd(1_234_500_000n) !== "1.2345") throw new Error("Cannot print money");
 * ```
 */
export function usd(nusd: bigint): string {
  const digits = String(nusd < 0n ? -nusd : nusd).padStart(10, "0");
  const decimals = digits.slice(-9).replace(/0{1,7}$/, "");
  return `${nusd < 0n ? "-" : ""}${digits.slice(0, -9)}.${decimals}`;
}

function markdown(head: ReportHead, sections: readonly Section[]): string {
  const { filter: { from, to }, completeTo } = head;
  const facts = [
    `Window: ${time(BigInt(from))} to ${time(BigInt(to))} (UTC, end not included)`,
    `Complete to: ${completeTo === null ? "nothing shipped yet" : time(completeTo)}`,
    `Rows: ${head.calls} calls, ${
      share(head.unpriced, head.calls)
    } unpriced. Percentiles are exact.`,
  ];
  const parts = sections.map(({ report, rows }) =>
    `\n## ${report.title}\n\n${
      rows.length === 0
        ? "No rows.\n"
        : report.id === "overview"
        ? list(report.columns, rows[0]!)
        : table(report.columns, rows)
    }`
  );
  return `# Usage report\n\n${facts.map((fact) => `- ${fact}\n`).join("")}${parts.join("")}`;
}

/** One row, turned: a table of two columns reads better than one of eighteen. */
function list(columns: readonly ReportColumn[], row: Readonly<Record<string, Cell>>): string {
  const turned = columns.map(({ name, title, format }) => ({
    what: title,
    value: shown(row[name] ?? null, format),
  }));
  return table([
    { name: "what", title: "What", format: "text" },
    { name: "value", title: "Value", format: "count" },
  ], turned);
}

function table(
  columns: readonly ReportColumn[],
  rows: readonly Readonly<Record<string, Cell>>[],
): string {
  const cells = [
    columns.map(({ title }) => title),
    ...rows.map((row) =>
      columns.map(({ name, format }) => escaped(shown(row[name] ?? null, format)))
    ),
  ];
  const widths = columns.map((_, place) =>
    Math.max(3, ...cells.map((line) => line[place]!.length))
  );
  const isText = (place: number) => columns[place]!.format === "text";
  const line = (texts: readonly string[]) =>
    `| ${
      texts.map((text, place) =>
        isText(place) ? text.padEnd(widths[place]!) : text.padStart(widths[place]!)
      ).join(" | ")
    } |\n`;
  const rule = widths.map((width, place) =>
    isText(place) ? "-".repeat(width) : `${"-".repeat(width - 1)}:`
  );
  return [cells[0]!, rule, ...cells.slice(1)].map(line).join("");
}

function csv(sections: readonly Section[]): string {
  return sections.map(({ report: { columns }, rows }) => {
    const lines = rows.map((row) =>
      columns.map(({ name, format }) => csvCell(plain(row[name] ?? null, format)))
    );
    const header = columns.map(({ name, format }) =>
      format === "nusd" ? name.replace(/_nusd$/, "_usd") : name
    );
    return [header, ...lines].map((line) => `${line.join(",")}\r\n`).join("");
  }).join("\r\n");
}

/** A value that a spreadsheet would take for a formula gets an apostrophe. */
function csvCell(text: string): string {
  const safe = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

function json(
  { filter, calls, unpriced, completeTo }: ReportHead,
  sections: readonly Section[],
): string {
  const text = JSON.stringify(
    {
      from: new Date(filter.from).toISOString(),
      to: new Date(filter.to).toISOString(),
      complete_to: completeTo === null ? null : time(completeTo),
      calls,
      unpriced,
      sections: Object.fromEntries(sections.map(({ report, rows }) => [report.id, rows])),
    },
    (_, value: unknown) => typeof value === "bigint" ? rawNumber(value) : value,
    2,
  );
  return `${text}\n`;
}

/** An integer with all of its digits. TypeScript does not know `JSON.rawJSON` yet. */
function rawNumber(value: bigint): unknown {
  return (JSON as unknown as { rawJSON(text: string): unknown }).rawJSON(String(value));
}

function shown(value: Cell, format: Format): string {
  if (value === null) return "unknown";
  if (typeof value === "string") return value === "" ? "(none)" : value;
  switch (format) {
    case "nusd":
      return `$${usd(value)}`;
    case "ms":
      return `${grouped(value)} ms`;
    case "count":
    case "text":
      return grouped(value);
  }
}

function plain(value: Cell, format: Format): string {
  if (value === null) return "";
  if (typeof value === "string") return value;
  return format === "nusd" ? usd(value) : String(value);
}

function grouped(value: bigint): string {
  return String(value).replace(/\B(?=(\d{3})+$)/g, ",");
}

function share(part: bigint, whole: bigint): string {
  if (whole === 0n) return "0%";
  const tenths = part * 1_000n / whole;
  return `${tenths / 10n}.${tenths % 10n}%`;
}

function time(epochMs: bigint): string {
  return new Date(Number(epochMs)).toISOString();
}

const ENTITIES: Readonly<Record<string, string>> = { "<": "&lt;", ">": "&gt;", "&": "&amp;" };

/** Table syntax and HTML in a name must not change the page. */
function escaped(text: string): string {
  return text.replace(/[\r\n]+/g, " ")
    .replace(/[\\`*|<>[\]&]/g, (char) => ENTITIES[char] ?? `\\${char}`);
}
