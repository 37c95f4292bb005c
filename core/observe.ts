import { type Attempt, type Call, type Parts } from "./call.ts";
import { estimated } from "./features.ts";
import type { Usage } from "./usage.ts";
import { UPSTREAM_CLASSES } from "./upstream_error.ts";

/**
 * Tells the health of targets how a call's attempts went. What the caller caused says nothing about
 * a target: its leaving, and errors of its request; nor does what served in the place of another.
 */
export function observeAttempts(parts: Parts, call: Call, usage: Usage): void {
  const now = parts.clock();
  for (const attempt of call.attempts) {
    if (attempt.stopped !== null || (call.cut !== null && attempt.endedAt === null)) continue;
    const outcome = outcomeOf(attempt);
    if (outcome === null) continue;
    const content = attempt.selected ? call.firstContentAt : null;
    parts.health.observe(attempt.target, {
      outcome,
      latencyMs: (attempt.endedAt ?? now) - attempt.startedAt,
      ttfbMs: content === null ? null : Math.max(0, content - attempt.startedAt),
      usage: attempt.selected && usage.source === "upstream" ? usage : null,
    });
  }
}

/**
 * Learns from the usage that a provider reported. Output counts only where all of it was delivered:
 * not when reasoning stayed hidden, nor when the reply was cut.
 */
export function calibrate({ calibration }: Parts, call: Call, { target, facts }: Attempt): void {
  const usage = facts?.usage;
  if (!facts || !usage || !call.features) return;
  if (usage.input !== null) {
    calibration.learnInput(target.key, estimated(call.features), usage.input);
  }
  const whole = facts.finishReason !== null && !usage.reasoning;
  if (whole && usage.output !== null) {
    calibration.learnOutput(target.key, facts.contentBytes, usage.output);
  }
}

function outcomeOf({ error, selected }: Attempt): "success" | "error" | "timeout" | null {
  if (error === null) return selected ? "success" : null;
  if (UPSTREAM_CLASSES[error.class].breaker === "none") return null;
  return error.class === "upstream_timeout" ? "timeout" : "error";
}
