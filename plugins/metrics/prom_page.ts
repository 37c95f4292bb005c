import { AggregatorRegistry, Counter, Gauge, Histogram, Registry } from "prom-client";
import { nextTurn } from "@/core/wait.ts";
import { type Counts, lasting } from "@/core/workers/fleet.ts";
import type { Buckets } from "./buckets.ts";
import type { Family, Page } from "./family.ts";
import type { Series, SeriesSet } from "./series.ts";

const PREFIX = "pointsman_";

/** Writes families in the text format of Prometheus; loaded when somebody asks for the first time. */
export interface PageWriter {
  add(family: Family): void;
  write(): Promise<Page>;
  /** The numbers, to be put together with those of other processes. */
  counts(): Promise<Counts>;
}

/** Builds a writer without families. */
export function createPageWriter(): PageWriter {
  const registry = new Registry();
  return {
    add(family) {
      const named = {
        name: `${PREFIX}${family.name}`,
        help: family.help,
        labelNames: [...family.labels ?? []],
        aggregator: family.across ?? "sum" as const,
        registers: [registry],
      };
      if (family.kind === "histogram") {
        new BucketHistogram({ ...named, buckets: [...family.bounds] }, family.series);
      } else if (family.kind === "counter") {
        new Counter({
          ...named,
          collect() {
            this.reset();
            for (const [labels, value] of family.read()) this.inc(labels, value);
          },
        });
      } else {
        new Gauge({
          ...named,
          collect() {
            this.reset();
            for (const [labels, value] of family.read()) this.set(labels, value);
          },
        });
      }
    },
    write: () => pageOf(registry),
    counts: () => registry.getMetricsAsJSON(),
  };
}

/** Longest time that families are written in a row, ms. */
const SLICE_MS = 5;

/** Family by family: a gateway with thousands of series would serve nobody while they are written. */
async function pageOf(registry: Registry): Promise<Page> {
  const families: string[] = [];
  let since = performance.now();
  for (const { name } of registry.getMetricsAsArray()) {
    families.push(await registry.getSingleMetricAsString(name));
    if (performance.now() - since < SLICE_MS) continue;
    await nextTurn();
    since = performance.now();
  }
  return { contentType: registry.contentType, text: `${families.join("\n\n")}\n` };
}

/** The numbers of several processes as those of one. */
function merged(counts: readonly Counts[]): Registry {
  return AggregatorRegistry.aggregate(counts.map((families) => [...families]));
}

/** Writes the numbers of several processes as those of one. */
export function writeMerged(counts: readonly Counts[]): Promise<Page> {
  return pageOf(merged(counts));
}

/** What processes counted that are gone. */
export function foldCounts(counts: readonly Counts[]): Counts {
  return lasting(merged(counts).getMetricsAsArray());
}

type Configuration = ConstructorParameters<typeof Histogram<string>>[0] & {
  readonly buckets: readonly number[];
};

/** A histogram whose numbers are kept outside of prom-client, which only writes them. */
class BucketHistogram extends Histogram<string> {
  readonly #name: string;
  readonly #help: string;
  readonly #bounds: readonly (number | string)[];
  readonly #series: SeriesSet<Buckets>;

  constructor(configuration: Configuration, series: SeriesSet<Buckets>) {
    super({ ...configuration, buckets: [...configuration.buckets] });
    this.#name = configuration.name;
    this.#help = configuration.help;
    this.#bounds = [...configuration.buckets, "+Inf"];
    this.#series = series;
  }

  override get(): ReturnType<Histogram<string>["get"]> {
    const values = [...this.#series].flatMap((series) => this.#lines(series));
    const about = { name: this.#name, help: this.#help, type: "histogram", aggregator: "sum" };
    return Promise.resolve({ ...about, values } as unknown as Awaited<ReturnType<this["get"]>>);
  }

  /** What prom-client's registry prefers to `get`, when it is there. */
  getForPromString(): ReturnType<Histogram<string>["get"]> {
    return this.get();
  }

  #lines({ labels, cell }: Series<Buckets>) {
    const counts = cell.cumulative();
    const buckets = this.#bounds.map((le, index) => ({
      metricName: `${this.#name}_bucket`,
      labels: { ...labels, le },
      value: counts[index] ?? 0,
    }));
    return [
      ...buckets,
      { metricName: `${this.#name}_sum`, labels, value: cell.sum },
      { metricName: `${this.#name}_count`, labels, value: counts.at(-1) ?? 0 },
    ];
  }
}
