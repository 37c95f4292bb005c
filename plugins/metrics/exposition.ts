import type { Counts } from "@/core/workers/fleet.ts";
import { Buckets } from "./buckets.ts";
import type { Family, FamilyName, Page, Reading } from "./family.ts";
import type { PageWriter } from "./prom_page.ts";
import { SeriesBudget, type SeriesSet, seriesSet } from "./series.ts";

/** A number that only grows. */
export interface Tally {
  value: number;
}

/**
 * The families of `/metrics`. What is counted with each call is kept in plain numbers, some ten
 * nanoseconds an update; prom-client, which takes half a microsecond, reads them when it writes.
 */
export interface Exposition {
  /** A counter; what is counted in whole parts of its unit is divided when it is written. */
  counter(family: FamilyName, parts?: number): SeriesSet<Tally>;
  histogram(family: FamilyName, bounds: readonly number[]): SeriesSet<Buckets>;
  /** A counter that somebody else keeps. */
  counted(family: FamilyName, read: () => Iterable<Reading>): void;
  gauge(family: FamilyName, read: () => Iterable<Reading>): void;
  /** Everything, in the text format 0.0.4. */
  page(): Promise<Page>;
  /** The numbers of several processes as those of one. */
  pageOf(counts: readonly Counts[]): Promise<Page>;
  /** Everything, to be put together with the numbers of other processes. */
  counts(): Promise<Counts>;
}

/** Builds an exposition without families, but for the one that counts folded series. */
export function createExposition(budget = new SeriesBudget()): Exposition {
  const declared: Family[] = [];
  let writer: PageWriter | null = null;

  async function currentWriter(): Promise<PageWriter> {
    // A gateway that nobody scrapes does not pay for the library, some 50 ms at its start.
    const { createPageWriter } = await import("./prom_page.ts");
    writer ??= createPageWriter();
    for (const family of declared.splice(0)) writer.add(family);
    return writer;
  }

  const exposition: Exposition = {
    counter(family, parts = 1) {
      const make = () => ({ value: 0 });
      const series = seriesSet<Tally>(family.labels ?? [], { budget, size: 1, make });
      exposition.counted(
        family,
        () => [...series].map(({ labels, cell }) => [labels, cell.value / parts]),
      );
      return series;
    },
    histogram(family, bounds) {
      const make = () => new Buckets(bounds);
      const size = bounds.length + 3;
      const series = seriesSet(family.labels ?? [], { budget, size, make });
      declared.push({ ...family, kind: "histogram", bounds, series });
      return series;
    },
    counted: (family, read) => void declared.push({ ...family, kind: "counter", read }),
    gauge: (family, read) => void declared.push({ ...family, kind: "gauge", read }),
    page: async () => await (await currentWriter()).write(),
    async pageOf(counts) {
      const { writeMerged } = await import("./prom_page.ts");
      return await writeMerged(counts);
    },
    counts: async () => await (await currentWriter()).counts(),
  };
  const help = "Series that were folded into `other` because there were too many.";
  exposition.counted({ name: "metrics_folded_series_total", help }, () => [[{}, budget.folded]]);
  return exposition;
}
