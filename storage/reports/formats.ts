/** Ways to print a report. `table` is for terminals. */
export const FORMATS = ["md", "table", "csv", "json"] as const;
export type OutputFormat = typeof FORMATS[number];
