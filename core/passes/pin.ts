import { toFront } from "./order.ts";
import type { Pass } from "./pass.ts";

/** The target that the conversation is pinned to comes first. A plan without it stays without it. */
export const pin: Pass = {
  name: "pin",
  isFor: ({ affinity }) => affinity.enabled && affinity.enforce,
  apply: (_parts, { context }, order) => toFront(order, (index) => index === context.pinnedIndex),
};
