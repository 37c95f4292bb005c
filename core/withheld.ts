import type { Attempt, Call, Parts } from "./call.ts";
import { GatewayError } from "./errors.ts";
import type { Refusal } from "./limits/refusal.ts";
import { tokenCharge } from "./limits/shape.ts";
import { limitError, reserveCost, reservedTokens } from "./reserve.ts";
import type { Target } from "./snapshot.ts";

/** Why a target is not tried although it is planned: its cost does not fit, or its pace forbids it. */
export type Withheld =
  | { readonly reason: "cost-budget"; readonly refusal: Refusal }
  | { readonly reason: string; readonly waitMs: number };

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
    if (refusal !== null) {
      withheld.push({ reason: "cost-budget", refusal });
      continue;
    }
    const throttled = enter(parts, call, target);
    if (throttled === null) return plan.slice(place);
    withheld.push(throttled);
  }
  return [];
}

function enter(parts: Parts, call: Call, { trafficShapes }: Target): Withheld | null {
  if (trafficShapes.length === 0) return null;
  const charge = { request_start_per_sec: 1, ...tokenCharge(reservedTokens(call)) };
  const entered = parts.upstreamShapes.enter(trafficShapes, charge);
  if ("reason" in entered) return entered;
  call.pass = entered;
  return null;
}

/** Ends what an attempt took of the pace of its target; without an attempt it was none. */
export function endPass(parts: Parts, call: Call, attempt: Attempt | null): void {
  const { pass } = call;
  if (pass === null) return;
  call.pass = null;
  parts.upstreamShapes.end(attempt?.target.trafficShapes ?? [], pass, {
    startedAt: attempt?.startedAt ?? 0,
    error: attempt?.error ?? null,
    reached: attempt?.selected === true && attempt.error === null,
  });
}

/** What the caller is told when every target was withheld. */
export function withheldError(
  parts: Parts,
  call: Call,
  withheld: readonly Withheld[],
): GatewayError {
  const last = withheld.at(-1);
  const waits = withheld.flatMap((item) => "waitMs" in item ? item.waitMs : []);
  if (waits.length === 0 && last && "refusal" in last) return limitError(parts, last.refusal);
  const waitMs = Math.min(...waits);
  return new GatewayError(
    "upstream-capacity-throttled",
    "Cannot send the call: the pace of every target that could serve it is used up",
    {
      model: call.group?.name ?? null,
      dialect: call.dialect.name,
      attempts: 0,
      target_count: withheld.length,
      hint: [...new Set(withheld.map(({ reason }) => reason))].sort().join(", "),
      ...(Number.isFinite(waitMs)
        ? { retry_after_ms: waitMs }
        : { never_fits: true, retryable: false }),
    },
  );
}
