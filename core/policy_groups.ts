import type { PolicyGroup } from "./policy_runner.ts";
import type { Snapshot } from "./snapshot.ts";

/** Every policy that a configuration asks: those of groups, and those beside them. */
export function policyGroups({ groups }: Pick<Snapshot, "groups">): readonly PolicyGroup[] {
  return [...groups.values()].flatMap(({ name, policy, rollout, shadow }) => [
    { name, policy },
    ...[rollout?.base, shadow].flatMap((side) => side ? [side] : []),
  ]);
}
