import type { NumberPlace } from "./number_blocks.ts";
import { ShapeLevels } from "./shape.ts";

/** How full the buckets of one caller are, and how many of its calls wait. */
export class Pace {
  readonly levels: ShapeLevels;
  waiting = 0;

  /** With a place among the numbers of others: `SHAPE_NUMBERS` of them. */
  constructor(place?: NumberPlace) {
    this.levels = new ShapeLevels(place);
  }
}
