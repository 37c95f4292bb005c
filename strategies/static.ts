import { z } from "zod";
import type { Strategy } from "../core/strategy.ts";
import { behindWeightless } from "../core/weighted_order.ts";

/** The first eligible target in config order, and no other. */
export const staticStrategy: Strategy = {
  name: "static",
  options: z.strictObject({}),
  create: () => ({ targets }) => {
    const [first] = behindWeightless(targets);
    return { targetIndex: first?.index ?? 0, fallbackIndexes: [] };
  },
};
