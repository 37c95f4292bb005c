/** What stands for a label value that is not one of the known ones, or came too late. */
export const OTHER = "other";

/** Most series of all families together, each bucket counted as one. */
const MAX_SERIES = 10_000;

/** One series: the values of its labels, and its number or numbers. */
export interface Series<Cell> {
  readonly labels: Readonly<Record<string, string>>;
  readonly cell: Cell;
}

/** The series of one family. */
export interface SeriesSet<Cell> extends Iterable<Series<Cell>> {
  /** The cell of a series, made when it is new; one value for each label. */
  at(...values: readonly string[]): Cell;
  /** Forgets a series. */
  drop(...values: readonly string[]): void;
}

/** What families share: how many series there may be, and how many were folded. */
export class SeriesBudget {
  /** Series that were not made because there were too many. */
  folded = 0;
  #left: number;

  constructor(max = MAX_SERIES) {
    this.#left = max;
  }

  /** Whether a cell of so many series may be made. */
  take(series: number): boolean {
    if (series <= this.#left) {
      this.#left -= series;
      return true;
    }
    this.folded += 1;
    return false;
  }

  give(series: number): void {
    this.#left += series;
  }
}

/**
 * Builds the series of a family, none at first. A series beyond the budget is the one whose labels
 * all say `other`.
 */
export function seriesSet<Cell>(
  names: readonly string[],
  { budget, size, make }: {
    readonly budget: SeriesBudget;
    /** Series that one cell is written as. */
    readonly size: number;
    make(): Cell;
  },
): SeriesSet<Cell> {
  const all = new Map<string, Series<Cell>>();

  function add(key: string, values: readonly string[]): Cell {
    const cell = make();
    const labels = Object.fromEntries(names.map((name, index) => [name, values[index] ?? OTHER]));
    all.set(key, { labels, cell });
    return cell;
  }

  function folded(): Cell {
    const values = names.map(() => OTHER);
    return all.get(keyOf(values))?.cell ?? add(keyOf(values), values);
  }

  return {
    at(...values) {
      const key = keyOf(values);
      const known = all.get(key);
      if (known) return known.cell;
      return budget.take(size) ? add(key, values) : folded();
    },
    drop(...values) {
      if (all.delete(keyOf(values))) budget.give(size);
    },
    [Symbol.iterator]: () => all.values(),
  };
}

const keyOf = (values: readonly string[]) => values.join("\0");
