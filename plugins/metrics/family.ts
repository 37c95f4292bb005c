import type { Buckets } from "./buckets.ts";
import type { SeriesSet } from "./series.ts";

/** A value that is looked up when somebody asks: its labels, and the number. */
export type Reading = readonly [labels: Readonly<Record<string, string>>, value: number];

/** What a family is called, and what its help text says. */
export interface FamilyName {
  /** Without the prefix. */
  readonly name: string;
  readonly help: string;
  readonly labels?: readonly string[];
  /** What the value of several processes is; their sum, if it does not say. */
  readonly across?: "average" | "first" | "max" | "min";
}

/** A family as it was declared. */
export type Family =
  & FamilyName
  & (
    | { readonly kind: "counter" | "gauge"; read(): Iterable<Reading> }
    | {
      readonly kind: "histogram";
      readonly bounds: readonly number[];
      readonly series: SeriesSet<Buckets>;
    }
  );

/** What a scraper gets. */
export interface Page {
  readonly contentType: string;
  readonly text: string;
}
