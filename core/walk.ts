import type { AttemptPlan, Outcome, Reply } from "./attempt.ts";
import type { Call, Parts } from "./call.ts";
import { GatewayError } from "./errors.ts";
import type { Group, Target } from "./snapshot.ts";
import { UPSTREAM_CLASSES, type UpstreamError } from "./upstream_error.ts";
import type { Withheld } from "./withheld.ts";

/** How far a plan is walked: the targets that may follow, and why the others did not serve. */
export interface Walk {
  left: readonly Target[];
  /** The failure that came last. */
  failure: UpstreamError | null;
  /** Why the last target that could not be sent the request could not. */
  refusal: GatewayError | null;
  readonly withheld: Withheld[];
}

/** What is tried next: the target, and what it took of its pace. */
export type Next = Pick<AttemptPlan, "target" | "pass" | "hedge">;

/** The next attempt of a call, within what is left of its total deadline. */
export function attemptPlan(parts: Parts, call: Call, group: Group, next: Next): AttemptPlan {
  const left = timeLeftMs(parts, call, group);
  const own = next.target.timeoutMs ?? group.attemptTimeoutMs;
  const timeoutMs = Math.max(1, own > 0 ? Math.min(own, left) : left);
  return { ...next, index: call.attempts.length, timeoutMs };
}

/**
 * What is left of the total deadline of a call, ms. It begins with the first attempt: the time of a slow
 * upload or a queue must not be missing from that of a provider, which would be blamed for it.
 */
export function timeLeftMs({ clock }: Parts, { attempts }: Call, { retry }: Group): number {
  const elapsed = attempts[0] ? clock() - attempts[0].startedAt : 0;
  return retry.totalDeadlineMs - elapsed;
}

/** Whether a call may have one more attempt. */
export function hasTriesLeft({ attempts }: Call, { retry }: Group): boolean {
  if (retry.maxAttempts === 0) return true;
  // Sending the request again without its reasoning is part of the same try.
  const tries = attempts.filter((attempt) => !lostProofs(attempt)).length;
  return tries < retry.maxAttempts;
}

/** Takes the outcome of a try: the reply, or `null` when another target has to be found. */
export function follow(
  call: Call,
  walk: Walk,
  { target, index }: AttemptPlan,
  outcome: Outcome,
): Reply | null {
  if (outcome === null) return null;
  if (outcome instanceof GatewayError) {
    walk.refusal = outcome;
    walk.left = walk.left.filter((other) => other !== target);
    return null;
  }
  if (!("class" in outcome)) return outcome;
  walk.failure = outcome;
  walk.left = following(call, walk.left, { target, index }, outcome);
  return null;
}

function following(
  call: Call,
  left: readonly Target[],
  { target, index }: Pick<AttemptPlan, "target" | "index">,
  error: UpstreamError,
): readonly Target[] {
  const rest = left.filter((other) => other !== target);
  switch (UPSTREAM_CLASSES[error.class].next) {
    case "any":
      return rest;
    case "larger":
      return rest.filter((other) => mayBeLarger(other, target));
    case "same": {
      // Without its reasoning the request is another one: the same targets may take it.
      if (!call.attempts[index]?.sentProofs) return [];
      call.withoutProofs = true;
      return left;
    }
    case "none":
      return [];
  }
}

function mayBeLarger({ contextTokens }: Target, than: Target): boolean {
  return than.contextTokens === null || contextTokens === null ||
    contextTokens > than.contextTokens;
}

const lostProofs = ({ error, sentProofs }: Call["attempts"][number]) =>
  sentProofs && error?.class === "upstream_reasoning_rejected";
