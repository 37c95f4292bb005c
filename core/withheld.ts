import { type Attempt, type Call, cutError, type Parts } from "./call.ts";
import { GatewayError } from "./errors.ts";
import type { Refusal } from "./limits/refusal.ts";
import { tokenCharge } from "./limits/shape.ts";
import type { Pass, Throttled, UpstreamShaping } from "./limits/upstream_shapes.ts";
import { limitError, reserveCost, reservedTokens } from "./reserve.ts";
import type { Target } from "./snapshot.ts";
import { failureFacts } from "./upstream_failure.ts";

/** Why a target is not tried although it is planned: its cost does not fit, or its pace forbids it. */
export type Withheld =
  & { readonly target: Target }
  & ({ readonly reason: "cost-budget"; readonly refusal: Refusal } | Throttled);

/** What is left of a plan whose first target may be tried now, and what that took of its pace. */
export interface Opened {
  readonly left: readonly Target[];
  readonly pass: Pass | null;
}

/**
 * Drops targets from the front of a plan until one may be tried now: what it needs is taken then.
 * Those that were dropped are added to `withheld`.
 *
 * @returns `null` when none is left
 * @throws {GatewayError} that the call was cut meanwhile, `quota-store-unavailable`
 */
export async function openTargets(
  parts: Parts,
  call: Call,
  plan: readonly Target[],
  withheld: Withheld[],
): Promise<Opened | null> {
  for (const [place, target] of plan.entries()) {
    const refusal = await reserveCost(parts, call, target);
    if (call.cut !== null) throw cutError(call.cut);
    if (refusal !== null) {
      withheld.push({ reason: "cost-budget", refusal, target });
      continue;
    }
    const pass = enter(parts, call, target);
    if (pass === null || "probes" in pass) return { left: plan.slice(place), pass };
    withheld.push({ ...pass, target });
  }
  return null;
}

/** Takes what an attempt needs of the pace of its target; `null`: that has none. */
export function enter(parts: Parts, call: Call, target: Target): Pass | Throttled | null {
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
  return entered;
}

const NO_REASON = { bucket: "", backoff: "", retryAfterMs: 0 } as const;

function note({ now }: Parts, call: Call, target: Target, shaping: UpstreamShaping): void {
  call.upstreamShapings.push({ ...shaping, target, ts: now() });
}

/** Ends what was taken for an attempt that there never was. */
export function dropPass({ upstreamShapes }: Parts, pass: Pass | null): void {
  if (pass) upstreamShapes.end([], pass, { startedAt: 0, error: null, reached: false });
}

/** Ends what an attempt took of the pace of its target. */
export function endPass(parts: Parts, call: Call, attempt: Attempt): void {
  const { pass, target, error, startedAt, selected } = attempt;
  if (pass === null) return;
  attempt.pass = null;
  const reached = selected && error === null;
  const { trafficShapes } = target;
  const cooldown = parts.upstreamShapes.end(trafficShapes, pass, { startedAt, error, reached });
  if (!cooldown) return;
  const { scope, backoff, waitMs, began } = cooldown;
  const started = { decision: "cooldown_started", scope, bucket: "", backoff } as const;
  note(parts, call, target, { ...started, retryAfterMs: waitMs });
  if (!began) return;
  parts.log.write("warn", "backoff_started", "Target is spared: its provider limits us", {
    provider: target.provider.name,
    model: target.model,
    error: error?.class,
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
  const throttled = withheld.flatMap((item) => "waitMs" in item ? item : []);
  if (throttled.length === 0 && last && "refusal" in last) return limitError(parts, last.refusal);
  const waitMs = Math.min(...throttled.map((item) => item.waitMs));
  const soonest = throttled.find((item) => item.waitMs === waitMs);
  return new GatewayError(
    "upstream-capacity-throttled",
    "Cannot send the call: the pace of every target that could serve it is used up",
    {
      ...failureFacts(call, {
        target: soonest?.target,
        reason_code: soonest?.reason ?? null,
      }),
      target_count: withheld.length,
      hint: [...new Set(withheld.map(({ reason }) => reason))].sort().join(", "),
      ...(Number.isFinite(waitMs)
        ? { retry_after_ms: waitMs }
        : { never_fits: true, retryable: false }),
    },
  );
}
