import { z } from "zod";
import { randomFrom } from "../core/random.ts";
import type { Strategy } from "../core/strategy.ts";
import { drawByWeight } from "../core/weighted_order.ts";

/** A draw by weight from the context's seed; fallbacks are more draws without replacement. */
export const weighted: Strategy = {
  name: "weighted",
  options: z.strictObject({}),
  create: () => (context) => {
    if (context.targets.length === 1) return { targetIndex: 0 };
    const [first, ...rest] = drawByWeight(context.targets, randomFrom(context.seed));
    return { targetIndex: first?.index ?? 0, fallbackIndexes: rest.map(({ index }) => index) };
  },
};
