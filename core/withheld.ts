import type { Call, Parts } from "./call.ts";
import type { GatewayError } from "./errors.ts";
import type { Refusal } from "./limits/refusal.ts";
import { limitError, reserveCost } from "./reserve.ts";
import type { Target } from "./snapshot.ts";

/** Why a target is not tried although it is planned; it may be tried for another call at once. */
export interface Withheld {
  readonly target: Target;
  readonly reason: "cost-budget";
  readonly refusal: Refusal;
}

/**
 * Drops targets from the front of a plan until one may be tried now: what it needs is taken then.
 * Those that were dropped are added to `withheld`.
 */
export async function openTargets(
  parts: Parts,
  call: Call,
  plan: readonly Target[],
  withheld: Withheld[],
): Promise<readonly Target[]> {
  for (const [place, target] of plan.entries()) {
    const refusal = await reserveCost(parts, call, target);
    if (refusal === null) return plan.slice(place);
    withheld.push({ target, reason: "cost-budget", refusal });
  }
  return [];
}

/** What the caller is told when every target was withheld: the last reason. */
export function withheldError(
  parts: Parts,
  _call: Call,
  withheld: readonly Withheld[],
): GatewayError {
  return limitError(parts, withheld.at(-1)!.refusal);
}
