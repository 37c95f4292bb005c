import { type Attempt, type Call, cutError, type Parts } from "./call.ts";
import { GatewayError } from "./errors.ts";
import type { Refusal } from "./limits/refusal.ts";
import { tokenCharge } from "./limits/shape.ts";
import type { Throttled, UpstreamShaping } from "./limits/upstream_shapes.ts";
import { limitError, reserveCost, reservedTokens } from "./reserve.ts";
import type { Target } from "./snapshot.ts";

/** Why a target is not tried although it is planned: its cost does not fit, or its pace forbids it. */
export type Withheld =
  | { readonly reason: "cost-budget"; readonly refusal: Refusal }
  | Throttled;

/**
 * Drops targets from the front of a plan until one may be tried now: what it needs is taken then.
 * Those that were dropped are added to `withheld`.
 *
 * @throws {GatewayError} that the call was cut meanwhile, `quota-store-unavailable`
 */
export async function openTargets(
  parts: Parts,
  call: Call,
  plan: readonly Target[],
  withheld: Withheld[],
): Promise<readonly Target[]> {
  for (const [place, target] of plan.entries()) {
    const refusal = await reserveCost(parts, call, target);
    if (call.cut !== null) throw cutError(call.cut);
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

function enter(parts: Parts, call: Call, target: Target): Withheld | null {
  const { trafficShapes } = target;
  if (trafficShapes.length === 0) return null;
  const charge = { request_start_per_sec: 1, ...tokenCharge(reservedTokens(call)) };
  const entered = parts.upstreamShapes.enter(trafficShapes, charge);
  if ("reason" in entered) {
    const { scope, bucket, backoff, waitMs } = entered;
    const retryAfterMs = Number.isFinite(waitMs) ? waitMs : 0;
    note(parts, call, target, { decision: "skipped", scope, bucket, backoff, retryAfterMs });
    return entered;
  }
  for (const { scope } of trafficShapes) {
    note(parts, call, target, { decision: "admitted", scope, ...NO_REASON });
  }
  call.pass = entered;
  return null;
}

const NO_REASON = { bucket: "", backoff: "", retryAfterMs: 0 } as const;

function note({ now }: Parts, call: Call, target: Target, shaping: UpstreamShaping): void {
  call.upstreamShapings.push({ ...shaping, target, ts: now() });
}

/** Ends what an attempt took of the pace of its target; without an attempt it was none. */
export function endPass(parts: Parts, call: Call, attempt: Attempt | null): void {
  const { pass } = call;
  if (pass === null) return;
  call.pass = null;
  const target = attempt?.target;
  const cooldown = parts.upstreamShapes.end(target?.trafficShapes ?? [], pass, {
    startedAt: attempt?.startedAt ?? 0,
    error: attempt?.error ?? null,
    reached: attempt?.selected === true && attempt.error === null,
  });
  if (!target || !cooldown) return;
  const { scope, backoff, waitMs, began } = cooldown;
  const started = { decision: "cooldown_started", scope, bucket: "", backoff } as const;
  note(parts, call, target, { ...started, retryAfterMs: waitMs });
  if (!began) return;
  parts.log.write("warn", "backoff_started", "Target is spared: its provider limits us", {
    provider: target.provider.name,
    model: target.model,
    error: attempt.error?.class,
    wait_ms: waitMs,
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
