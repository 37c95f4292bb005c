import assert from "node:assert/strict";

/** One line with a number. */
interface Sample {
  /** Of the line: a histogram's end in `_bucket`, `_sum` and `_count`. */
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** A family as the text says it. */
interface ParsedFamily {
  readonly name: string;
  readonly type: string;
  readonly help: string;
  readonly samples: readonly Sample[];
}

/** Families by name. */
export type Families = ReadonlyMap<string, ParsedFamily>;

const NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/;
const SAMPLE = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$/;
const LABEL = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(?:,|$)/y;

/**
 * Reads the text format 0.0.4 and refuses what Prometheus would, or should: a sample outside of its
 * family, a series that comes twice, a bucket that holds less than the one before.
 *
 * @see https://prometheus.io/docs/instrumenting/exposition_formats/
 */
export function parseExposition(text: string): Families {
  assert(text.endsWith("\n"), "the last line ends");
  const families = new Map<string, ParsedFamily & { samples: Sample[] }>();
  let help: readonly [string, string] | null = null;
  let family: (ParsedFamily & { samples: Sample[] }) | null = null;
  for (const line of text.split("\n")) {
    if (line === "") continue;
    const [, kind, name = "", rest = ""] = /^# (HELP|TYPE) (\S+) ?(.*)$/.exec(line) ?? [];
    if (kind === "HELP") {
      help = [name, rest];
    } else if (kind === "TYPE") {
      assert.match(name, NAME);
      assert.match(rest, /^(?:counter|gauge|histogram)$/);
      assert(!families.has(name), `${name} is declared once`);
      assert.equal(help?.[0], name, `${name} has its help before its type`);
      family = { name, type: rest, help: help?.[1] ?? "", samples: [] };
      families.set(name, family);
    } else {
      assert(family, `a family comes before "${line}"`);
      family.samples.push(readSample(line, family));
    }
  }
  for (const each of families.values()) check(each);
  return families;
}

function readSample(line: string, { name: family, type }: ParsedFamily): Sample {
  const [, name = "", labels = "", number = ""] = SAMPLE.exec(line) ?? [];
  assert(name, `"${line}" is a sample`);
  const own = type === "histogram" ? ["_bucket", "_sum", "_count"] : [""];
  assert(own.includes(name.slice(family.length)) && name.startsWith(family), `${name}: ${family}`);
  const value = Number(number);
  assert(!Number.isNaN(value), `"${line}" has a number`);
  return { name, labels: readLabels(labels), value };
}

function readLabels(text: string): Record<string, string> {
  const labels: Record<string, string> = {};
  LABEL.lastIndex = 0;
  for (let at = 0; at < text.length; at = LABEL.lastIndex) {
    const match = LABEL.exec(text);
    assert(match, `"${text}" is a list of labels`);
    const [, name = "", value = ""] = match;
    assert(!(name in labels), `${name} comes once`);
    labels[name] = value.replace(/\\(.)/g, (_, char) => char === "n" ? "\n" : char);
  }
  return labels;
}

function check({ name, type, samples }: ParsedFamily): void {
  const keys = samples.map((sample) => JSON.stringify([sample.name, sortedLabels(sample)]));
  assert.equal(new Set(keys).size, keys.length, `${name} has no series twice`);
  if (type === "counter") assert(samples.every(({ value }) => value >= 0), name);
  if (type === "histogram") checkHistogram(name, samples);
}

function checkHistogram(name: string, samples: readonly Sample[]): void {
  const series = Map.groupBy(samples, (sample) => JSON.stringify(sortedLabels(sample, "le")));
  for (const lines of series.values()) {
    const buckets = lines.filter((line) => line.name === `${name}_bucket`);
    const bounds = buckets.map(({ labels }) => Number(labels["le"]?.replace("+Inf", "Infinity")));
    assert.deepEqual(bounds, bounds.toSorted((a, b) => a - b), `${name} has rising bounds`);
    assert.equal(bounds.at(-1), Infinity);
    const counts = buckets.map(({ value }) => value);
    assert.deepEqual(counts, counts.toSorted((a, b) => a - b), `${name} is cumulative`);
    assert.equal(lines.filter((line) => line.name === `${name}_sum`).length, 1);
    const [count] = lines.filter((line) => line.name === `${name}_count`);
    assert.equal(count?.value, counts.at(-1));
  }
}

function sortedLabels({ labels }: Sample, without = ""): [string, string][] {
  return Object.entries(labels).filter(([name]) => name !== without).sort();
}

/** Sum of the samples of a name whose labels say at least this. */
export function sumOf(
  families: Families,
  name: string,
  labels: Readonly<Record<string, string>> = {},
): number {
  const family = families.get(name) ?? families.get(name.replace(/_(?:bucket|sum|count)$/, ""));
  assert(family, `${name} is a family`);
  const wanted = Object.entries(labels);
  return family.samples
    .filter((sample) => sample.name === name)
    .filter((sample) => wanted.every(([key, value]) => sample.labels[key] === value))
    .reduce((sum, { value }) => sum + value, 0);
}
