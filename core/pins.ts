import { type Call, type Parts, servingAttempt } from "./call.ts";
import { conversationIn } from "./call_facts.ts";
import type { PinState } from "./decision.ts";
import type { Group, Target } from "./snapshot.ts";

/** How a call's pin stands, and where among the eligible targets it points. */
export interface PinFound {
  readonly state: PinState;
  readonly index: number | null;
}

const NO_PIN: PinFound = { state: "disabled", index: null };

/** Looks for the pin of a call; a `trial` leaves it as it is. */
export function findPin(
  parts: Parts,
  call: Call,
  { group, eligible, trial }: {
    readonly group: Group;
    readonly eligible: readonly Target[];
    readonly trial: boolean;
  },
): PinFound {
  const { enabled, ttlMs } = group.affinity;
  if (!enabled) return NO_PIN;
  const { key } = conversationIn(parts, call, group);
  if (key === null) return NO_PIN;
  const found = parts.affinity.find(group.name, key, { ttlMs, used: !trial });
  if (found.state !== "hit") return { state: found.state, index: null };
  const index = eligible.findIndex(({ id }) => id === found.target);
  return index < 0 ? { state: "ineligible", index: null } : { state: "hit", index };
}

/** Pins the conversation of a call to the target that serves it: at its first content. */
export function keepPin({ affinity }: Parts, call: Call): void {
  const { decision } = call;
  if (!decision || decision.pinState === "disabled") return;
  const { group, context } = decision;
  const serving = servingAttempt(call);
  if (!serving || context.conversationKey === null) return;
  const { ttlMs, maxEntries } = group.affinity;
  affinity.pin(group.name, context.conversationKey, {
    target: serving.target.id,
    ttlMs,
    maxEntries,
  });
}
