import { Counter, Gauge, Histogram, Registry } from "prom-client";
import { Buckets } from "./buckets.ts";
import { type Series, SeriesBudget, type SeriesSet, seriesSet } from "./series.ts";

/** A number that only grows. */
export interface Tally {
  value: number;
}

/** A value that is looked up when somebody asks: its labels, and the number. */
export type Reading = readonly [labels: Readonly<Record<string, string>>, value: number];

/** What a family is called, and what its help text says. */
export interface FamilyName {
  /** Without the prefix. */
  readonly name: string;
  readonly help: string;
  readonly labels?: readonly string[];
}

/**
 * The families of `/metrics`. What is counted with each call is kept in plain numbers, some ten
 * nanoseconds an update; prom-client, which takes half a microsecond, reads them when it writes.
 */
export interface Exposition {
  readonly contentType: string;
  /** A counter; what is counted in whole parts of its unit is divided when it is written. */
  counter(family: FamilyName, parts?: number): SeriesSet<Tally>;
  histogram(family: FamilyName, bounds: readonly number[]): SeriesSet<Buckets>;
  /** A counter that somebody else keeps. */
  counted(family: FamilyName, read: () => Iterable<Reading>): void;
  gauge(family: FamilyName, read: () => Iterable<Reading>): void;
  /** Everything, in the text format 0.0.4. */
  text(): Promise<string>;
}

const PREFIX = "pointsman_";

/** Builds an exposition without families, but for the one that counts folded series. */
export function createExposition(budget = new SeriesBudget()): Exposition {
  const registry = new Registry();
  const named = ({ name, help, labels = [] }: FamilyName) => ({
    name: `${PREFIX}${name}`,
    help,
    labelNames: [...labels],
    registers: [registry],
  });

  function counted(family: FamilyName, read: () => Iterable<Reading>): void {
    new Counter({
      ...named(family),
      collect() {
        this.reset();
        for (const [labels, value] of read()) this.inc(labels, value);
      },
    });
  }

  const exposition: Exposition = {
    contentType: registry.contentType,
    counter(family, parts = 1) {
      const make = () => ({ value: 0 });
      const series = seriesSet<Tally>(family.labels ?? [], { budget, size: 1, make });
      counted(family, () => [...series].map(({ labels, cell }) => [labels, cell.value / parts]));
      return series;
    },
    histogram(family, bounds) {
      const make = () => new Buckets(bounds);
      const size = bounds.length + 3;
      const series = seriesSet(family.labels ?? [], { budget, size, make });
      new BucketHistogram({ ...named(family), buckets: [...bounds] }, series);
      return series;
    },
    counted,
    gauge(family, read) {
      new Gauge({
        ...named(family),
        collect() {
          this.reset();
          for (const [labels, value] of read()) this.set(labels, value);
        },
      });
    },
    text: () => registry.metrics(),
  };
  const help = "Series that were folded into `other` because there were too many.";
  exposition.counted({ name: "metrics_folded_series_total", help }, () => [[{}, budget.folded]]);
  return exposition;
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
