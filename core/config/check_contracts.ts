import type { Contract } from "../contract_terms.ts";
import { keepsContract } from "../contract.ts";
import { takesCallersOf } from "../eligibility.ts";
import type { Group, Snapshot, Target } from "../snapshot.ts";
import { conflict, type Finding } from "./diagnose.ts";
import type { ConfigPath } from "./problem.ts";

/** Contracts that cannot hold, and evaluations of a day to come. */
export function* contractErrors({ groups, loadedAt }: Snapshot): Iterable<Finding> {
  for (const group of groups.values()) {
    const path: ConfigPath = ["models", group.name];
    for (const { validation, groupIndex } of group.targets) {
      if ((validation?.validatedAt ?? 0) <= loadedAt) continue;
      const at = [...path, "targets", groupIndex, "validation", "validated_at"];
      yield conflict(at, "the day is still to come");
    }
    if (!group.contract) continue;
    const at = [...path, "contract"];
    const broken = [...brokenPromises(group, group.contract, at)];
    yield* broken;
    if (broken.length > 0 || isKept({ ...group, contract: ageless(group.contract) }, loadedAt)) {
      continue;
    }
    yield conflict(at, "no target keeps it");
  }
}

/** Contracts that no target keeps today because every evaluation is too old. */
export function* contractWarnings({ groups, loadedAt }: Snapshot): Iterable<Finding> {
  for (const group of groups.values()) {
    const { name, contract } = group;
    if (!contract || isKept(group, loadedAt)) continue;
    if (!isKept({ ...group, contract: ageless(contract) }, loadedAt)) continue;
    yield conflict(["models", name, "contract"], "the evaluation of every target is too old");
  }
}

function isKept({ targets, contract }: Group, now: number): boolean {
  return targets.some((target) => contract === null || keepsContract(target, contract, now));
}

/** A contract under which no evaluation is too old. */
function ageless(contract: Contract): Contract {
  return { ...contract, serveExpired: true };
}

function* brokenPromises(
  { targets }: Group,
  contract: Contract,
  path: ConfigPath,
): Iterable<Finding> {
  const has = (holds: (target: Target) => boolean) => targets.some(holds);
  for (const tag of contract.floor.requireTags) {
    if (has(({ tags }) => tags.includes(tag))) continue;
    yield conflict([...path, "quality_floor", "require_tags"], `no target has the tag "${tag}"`);
  }
  for (const region of contract.regions ?? []) {
    if (has((target) => target.region === region)) continue;
    yield conflict([...path, "allowed_regions"], `no target is in the region "${region}"`);
  }
  for (const shape of contract.shapes ?? []) {
    if (has((target) => takesCallersOf(target, shape))) continue;
    yield conflict([...path, "supported_api_shapes"], `no target takes callers of "${shape}"`);
  }
}
