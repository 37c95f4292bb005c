import { Counter, Gauge, Histogram, Registry } from "prom-client";
import type { Buckets } from "./buckets.ts";
import type { Family, Page } from "./family.ts";
import type { Series, SeriesSet } from "./series.ts";

const PREFIX = "pointsman_";

/** Writes families in the text format of Prometheus; loaded when somebody asks for the first time. */
export interface PageWriter {
  add(family: Family): void;
  write(): Promise<Page>;
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
    write: async () => ({ contentType: registry.contentType, text: await registry.metrics() }),
  };
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
