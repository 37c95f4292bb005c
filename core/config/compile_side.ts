import type { SidePolicy } from "../snapshot.ts";
import type { Decide } from "../strategy.ts";
import type { CompileFacts } from "./parts.ts";
import type { GroupConfig } from "./schema_groups.ts";
import type { SideConfig } from "./schema_delivery.ts";

/** What a policy beside the group's own is for. */
export type SidePurpose = "base" | "shadow";

/**
 * A policy that a group has beside its own, under a name that no group can have. What is not said of
 * its limits is as the group says of its own policy.
 */
export function compileSide(
  purpose: SidePurpose,
  written: SideConfig,
  { name, group, base, facts }: {
    readonly name: string;
    readonly group: GroupConfig;
    readonly base: Decide;
    readonly facts: CompileFacts;
  },
): SidePolicy | null {
  const kind = written.script !== undefined ? "script" : written.external ? "external" : null;
  if (kind === null) return null;
  const strategy = facts.strategies.get(kind);
  const { script, external } = written;
  const shared = Object.entries(group).filter(([key, value]) =>
    kind === "script" && key in strategy.options.shape && value !== undefined
  );
  const options = strategy.options.parse(
    kind === "script" ? { ...Object.fromEntries(shared), script } : { external_policy: external },
  );
  const key = `${name} ${purpose}`;
  return {
    name: key,
    strategy: kind,
    policy: strategy.policy?.(options, facts.folder) ?? null,
    decide: strategy.create(options, { group: key, policies: facts.policies ?? null, base }),
    findings: null,
  };
}
