import { contractReasons, expiresAt } from "../contract.ts";
import { DIALECT_NAMES } from "../dialect_name.ts";
import type { Contract, Group, Snapshot, Target } from "../snapshot.ts";
import type { Finding } from "./diagnose.ts";
import type { ConfigPath } from "./problem.ts";

/** Contracts that cannot hold, and evaluations of a day to come. */
export function* contractErrors({ groups, loadedAt }: Snapshot): Iterable<Finding> {
  for (const group of groups.values()) {
    const path: ConfigPath = ["models", group.name];
    for (const { validation, groupIndex } of group.targets) {
      if ((validation?.validatedAt ?? 0) <= loadedAt) continue;
      const at = [...path, "targets", groupIndex, "validation", "validated_at"];
      yield finding(at, "the day is still to come");
    }
    if (!group.contract) continue;
    const at = [...path, "contract"];
    const broken = [...brokenPromises(group, group.contract, at)];
    yield* broken;
    if (broken.length > 0 || group.targets.some((target) => keeps(target, group.contract!))) {
      continue;
    }
    yield finding(at, "no target keeps it");
  }
}

/** Contracts that no target keeps today because every evaluation is too old. */
export function* contractWarnings({ groups, loadedAt }: Snapshot): Iterable<Finding> {
  for (const { name, contract, targets } of groups.values()) {
    if (!contract || contract.serveExpired) continue;
    const expired = (target: Target) => (expiresAt(target, contract.floor) ?? Infinity) <= loadedAt;
    if (!targets.every(expired)) continue;
    yield finding(["models", name, "contract"], "the evaluation of every target is too old");
  }
}

function* brokenPromises(
  { targets }: Group,
  contract: Contract,
  path: ConfigPath,
): Iterable<Finding> {
  const has = (holds: (target: Target) => boolean) => targets.some(holds);
  for (const tag of contract.floor.requireTags) {
    if (has(({ tags }) => tags.includes(tag))) continue;
    yield finding([...path, "quality_floor", "require_tags"], `no target has the tag "${tag}"`);
  }
  for (const region of contract.regions ?? []) {
    if (has((target) => target.region === region)) continue;
    yield finding([...path, "allowed_regions"], `no target is in the region "${region}"`);
  }
  for (const shape of contract.shapes ?? []) {
    if (has((target) => takes(target, shape))) continue;
    yield finding([...path, "supported_api_shapes"], `no target takes callers of "${shape}"`);
  }
}

function takes({ dialect, inboundDialects }: Target, name: Target["dialect"]): boolean {
  return dialect === name || inboundDialects.includes(name);
}

/** Whether a target keeps a contract for callers of one dialect at least; time is judged at each call. */
function keeps(target: Target, contract: Contract): boolean {
  return DIALECT_NAMES.some((dialect) =>
    takes(target, dialect) &&
    contractReasons(target, { ...contract, targets: null, serveExpired: true }, {
        dialect,
        features: { outputCap: null },
        now: 0,
        signals: () => {
          throw new TypeError("Cannot observe a target that serves nobody yet");
        },
      }).length === 0
  );
}

function finding(path: ConfigPath, message: string): Finding {
  return { code: "conflict", path, at: "value", message };
}
