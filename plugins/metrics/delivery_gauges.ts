import type { Parts } from "@/core/call.ts";
import { evaluationAt, expiresAt } from "@/core/contract.ts";
import type { Group } from "@/core/snapshot.ts";
import type { ShadowCounts } from "@/core/shadow.ts";
import type { Exposition } from "./exposition.ts";
import type { Reading } from "./family.ts";

const STATES = ["ok", "expiring", "expired"] as const;

/** Declares how rollouts, shadows and contracts stand. */
export function declareDelivery({ counted, gauge }: Exposition, parts: Parts): void {
  gauge({
    name: "rollout_state",
    help: "1 while a rollout is active, 2 when it was taken back.",
    across: "max",
    labels: ["group"],
  }, () => rolloutStates(parts));
  counted(
    {
      name: "policy_shadow_agreement_total",
      help: "Decisions of shadow policies, by whether they chose the target that was to serve.",
      labels: ["group", "same"],
    },
    () =>
      shadowReadings(
        parts,
        ({ same, different }) => [["true", same], ["false", different]],
        "same",
      ),
  );
  counted(
    {
      name: "policy_shadow_skipped_total",
      help: "Decisions that a shadow policy did not make: it failed, or too many waited.",
      labels: ["group", "reason"],
    },
    () =>
      shadowReadings(
        parts,
        ({ faults, dropped }) => [["fault", faults], ["queue", dropped]],
        "reason",
      ),
  );
  gauge({
    name: "contract_expiry_seconds",
    help: "Time until the evaluation of a target is too old for its contract; negative once it is.",
    labels: ["group", "target"],
    across: "min",
  }, () => groupsOf(parts).flatMap((group) => expiries(group, parts.now())));
  gauge({
    name: "contract_targets",
    help: "Targets of a group with a contract, by how their evaluations stand.",
    labels: ["group", "state"],
    across: "max",
  }, () => groupsOf(parts).flatMap((group) => evaluations(group, parts.now())));
}

function groupsOf({ current }: Parts): readonly Group[] {
  return [...current().groups.values()];
}

function expiries({ name, contract, targets }: Group, now: number): readonly Reading[] {
  if (contract === null) return [];
  return targets.flatMap((target): readonly Reading[] => {
    const at = expiresAt(target, contract.floor);
    return at === null ? [] : [[{ group: name, target: target.id }, (at - now) / 1000]];
  });
}

function evaluations({ name, contract, targets }: Group, now: number): readonly Reading[] {
  if (contract === null) return [];
  const states = targets.map((target) => evaluationAt(target, contract, now));
  return STATES.map((state) => [
    { group: name, state },
    states.filter((found) => found === state).length,
  ]);
}

function rolloutStates({ current, rollouts }: Parts): readonly Reading[] {
  return [...current().groups.values()].filter(({ rollout }) => rollout !== null)
    .map((group) => [{ group: group.name }, rollouts.stateOf(group) === "active" ? 1 : 2]);
}

function shadowReadings(
  { shadows }: Parts,
  read: (counts: ShadowCounts) => readonly (readonly [string, number])[],
  label: string,
): readonly Reading[] {
  return [...shadows.counts].flatMap(([group, counts]) =>
    read(counts).map(([word, count]): Reading => [{ group, [label]: word }, count])
  );
}
