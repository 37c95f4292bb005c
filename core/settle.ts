import {
  type Call,
  decidingAttempt,
  type Ending,
  enter,
  type Parts,
  servingAttempt,
  type Settlement,
} from "./call.ts";
import { callRecord, traceId } from "./call_record.ts";
import { costOf } from "./cost.ts";
import { calibrate, observeAttempts } from "./observe.ts";
import type { CallRecord } from "./record.ts";
import { feedbackLine } from "./feedback.ts";
import { countForRollout } from "./rollout.ts";
import { chargeOf } from "./reserve.ts";
import { safeCause } from "./thrown.ts";
import { endPass } from "./withheld.ts";
import { settleUsage } from "./settle_usage.ts";

/**
 * Step 7: usage, cost and the journal line, exactly once however the call ends. Never throws.
 *
 * @returns a promise only when the line is not yet as durable as configured
 */
export function settle(parts: Parts, call: Call, ending: Ending): Promise<void> | undefined {
  if (call.settled) return undefined;
  call.settled = true;
  call.onCut = null;
  parts.live.delete(call);
  const { step } = call;
  enter(call, "settle");
  const serving = servingAttempt(call);
  const usage = settleUsage({
    facts: ending.facts,
    complete: ending.error === null,
    delivered: call.firstContentAt !== null,
    estimate: serving?.estimate ?? NOTHING_SERVED,
  });
  const imageCount = call.features?.imageCount ?? 0;
  const cost = serving && usage.source !== "none"
    ? costOf({ ...usage, imageCount }, serving.target.prices)
    : null;
  const charge = chargeOf(call, usage, cost);
  guarded(parts, call, "Cannot account for a call", () => {
    if (call.reservation) parts.ledger.settle(call.reservation, charge);
  });
  guarded(parts, call, "Cannot give back what a call held", () => {
    if (call.cache?.key) parts.cache.land(call.cache.key, call);
    if (!call.admitted) call.shaped.forEach((taken) => taken.undo());
    for (const attempt of call.attempts) endPass(parts, call, attempt);
  });
  guarded(parts, call, "Cannot learn from a call", () => {
    observeAttempts(parts, call, usage);
    if (serving) calibrate(parts, call, serving);
    if (serving && ending.facts) {
      parts.proofs.remember(ending.facts.proofs, serving.target.provider.name);
    }
  });
  const settlement = { ...ending, usage, cost, charge, at: parts.clock(), step };
  const record = recordOf(parts, call, settlement);
  const writing = parts.clock();
  const durable = parts.journal.append(record);
  const journalMs = parts.clock() - writing;
  guarded(parts, call, "Cannot measure a call", () => {
    for (const watcher of parts.watchers) watcher.onSettled(call, settlement, journalMs);
    call.trace?.end(call, settlement);
    tellPolicy(parts, call, settlement);
    countForRollout(parts, call, settlement);
  });
  tell(parts, call, settlement);
  return durable;
}

/** No provider delivered anything, so that there is nothing to estimate. */
const NOTHING_SERVED = { input: 0, bytesPerOutputToken: 4 };

/** A policy on another server learns what became of the calls it was asked about. */
function tellPolicy({ policies, now }: Parts, call: Call, settlement: Settlement): void {
  const policy = call.group?.policy;
  if (!call.decision || policy?.kind !== "external" || !policy.feedback) return;
  policies.feed(call.decision.group.name, feedbackLine(call, settlement, now()));
}

/** What fails beside the record must not take the record, or the call, with it. */
function guarded(parts: Parts, call: Call, failed: string, work: () => void): void {
  try {
    work();
  } catch (error) {
    parts.log.write("error", "call_failed", failed, {
      request_id: call.id,
      cause: safeCause(error),
    });
  }
}

/** A fault of ours in making the record must not lose the call: what identifies it is kept. */
function recordOf(parts: Parts, call: Call, settlement: Settlement): CallRecord {
  try {
    return callRecord(parts, call, settlement);
  } catch (error) {
    parts.log.write("error", "call_failed", "Cannot make the whole record of a call", {
      request_id: call.id,
      cause: safeCause(error),
    });
    const { id, ts, credential } = call;
    const usage = {
      request_id: id,
      ts,
      status: settlement.status,
      caller_id: credential.caller.id,
      truncated: 1,
    };
    return { usage, attempts: [], errors: [] };
  }
}

/** A call that ends well is in the journal, and in the log only for those who debug. */
function tell(parts: Parts, call: Call, { status, error, at, step }: Settlement): void {
  if (error === null && call.snapshot.server.logging.level !== "debug") return;
  const attempt = decidingAttempt(call);
  const fields = {
    step: error === null ? undefined : step,
    request_id: call.id,
    trace_id: traceId(call),
    caller: call.credential.caller.id,
    group: call.group?.name,
    provider: attempt?.target.provider.name,
    model: attempt?.target.model,
    attempts: call.attempts.length,
    status,
    duration_ms: Math.round(at - call.startedAt),
  };
  if (error === null) {
    return parts.log.write("debug", "call_settled", "Call is settled", fields);
  }
  const level = error.type === "internal-error" ? "error" : status >= 500 ? "warn" : "info";
  parts.log.write(level, "call_failed", error.message, {
    ...fields,
    error: error.type,
    hint: typeof error.details["hint"] === "string" ? error.details["hint"] : undefined,
    class: attempt?.error?.class,
    cause: error.type === "internal-error" ? safeCause(error.cause) : undefined,
  });
}
