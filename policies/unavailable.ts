import type { PolicyVerdict } from "../core/strategy.ts";

/** What becomes of a decision of a group whose policy does not run. */
export const UNAVAILABLE: PolicyVerdict = {
  kind: "fault",
  fault: "policy-unavailable",
  problem: null,
  digest: null,
  cost: { durationUs: 0, queueUs: 0, hostId: null, responseBytes: null },
};
