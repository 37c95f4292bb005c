import { z } from "zod";
import type { Strategy } from "../core/strategy.ts";
import { behindWeightless } from "../core/weighted_order.ts";

/** Eligible targets in config order. */
export const failover: Strategy = {
  name: "failover",
  options: z.strictObject({}),
  create: () => ({ targets }) => {
    const [first, ...rest] = behindWeightless(targets);
    return { targetIndex: first?.index ?? 0, fallbackIndexes: rest.map(({ index }) => index) };
  },
};
