import type { LimitKey } from "./limit.ts";

/** What one call is charged with; tokens are input and output, money is nano-USD. */
export interface Charge {
  /** 1 when it counts in `rpm`. */
  readonly calls: number;
  /** 1 when it counts in the requests of its day and month. */
  readonly requests: number;
  readonly tokens: number;
  readonly nusd: number;
}

/** A call that is charged nothing. */
export const NO_CHARGE: Charge = Object.freeze({ calls: 0, requests: 0, tokens: 0, nusd: 0 });

/** The units a charge has under a limit; what only runs has none in the end. */
export function chargedUnits(charge: Charge, key: LimitKey): number {
  switch (key) {
    case "rpm":
      return charge.calls;
    case "day.requests":
    case "month.requests":
      return charge.requests;
    case "tpm":
    case "day.tokens":
    case "month.tokens":
    case "lifetime.tokens":
      return charge.tokens;
    case "day.cost":
    case "month.cost":
      return charge.nusd;
    case "concurrent":
      return 0;
  }
}
