const [FEWEST, MOST] = [8, 1_024];

/** A row of numbers among others. */
export interface NumberPlace {
  readonly numbers: Float64Array<ArrayBuffer>;
  readonly begin: number;
}

/** A row by itself, all zero. */
export function numberPlace(width: number): NumberPlace {
  return { numbers: new Float64Array(width), begin: 0 };
}

/**
 * Rows of numbers, side by side in blocks that are never moved. With many accounts most of what a call
 * costs is fetching the numbers of its own, and what lies together is fetched together.
 */
export class NumberBlocks {
  readonly #width: number;
  #numbers: Float64Array<ArrayBuffer>;
  #begin = 0;

  constructor(width: number) {
    this.#width = width;
    this.#numbers = new Float64Array(FEWEST * width);
  }

  /** A row that is all zero. */
  take(): NumberPlace {
    if (this.#begin === this.#numbers.length) {
      const rows = Math.min(MOST, 2 * this.#numbers.length / this.#width);
      this.#numbers = new Float64Array(rows * this.#width);
      this.#begin = 0;
    }
    const begin = this.#begin;
    this.#begin += this.#width;
    return { numbers: this.#numbers, begin };
  }
}
