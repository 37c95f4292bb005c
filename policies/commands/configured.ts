import { ExitError } from "../../core/command.ts";
import type { Snapshot } from "../../core/snapshot.ts";
import type { Bundle } from "../sandbox/bundle.ts";
import type { TriedPolicy } from "../sandboxed_policy.ts";
import { CONTRACT } from "../signing/manifest.ts";
import { EXIT } from "./exit.ts";

/** What the commands of policies need of a configuration. */
export type ConfiguredPolicies = Pick<Snapshot, "groups" | "server">;

/** Loads a configuration: that of `--config`, else the default one. */
export type PolicyConfig = (path: string | undefined) => ConfiguredPolicies;

/** The policies in TypeScript, by their groups. */
export function scriptsOf(
  { groups, server }: ConfiguredPolicies,
): ReadonlyMap<string, TriedPolicy> {
  const { isolation, trust } = server.policies;
  return new Map(
    [...groups].flatMap(([name, { policy }]) =>
      policy?.kind === "script" ? [[name, { ...policy, isolation, trust }]] : []
    ),
  );
}

/**
 * The policy of a group.
 *
 * @throws {ExitError} code 2 when there is none
 */
export function policyOf(config: ConfiguredPolicies, group: string): TriedPolicy {
  const scripts = scriptsOf(config);
  const policy = scripts.get(group);
  if (policy) return policy;
  const known = scripts.size === 0
    ? "no group has one"
    : `there are ${[...scripts.keys()].join(", ")}`;
  throw new ExitError(2, `Cannot find a policy of group "${group}": ${known}`);
}

/** What a bundle is, in a line. */
export function headline(
  file: string,
  { bytes, digest }: Pick<Bundle, "bytes" | "digest">,
  net: readonly string[],
): string {
  const reach = net.length === 0 ? "none" : net.join(", ");
  return [
    file,
    `contract ${CONTRACT}`,
    `${(bytes / 1_000).toFixed(1)} kB`,
    `sha256:${digest.slice(0, 12)}`,
    `net: ${reach}`,
  ].join("  ");
}

/** Exit code 5, for a file that could not be written. */
export function unwritable(file: string, error: unknown): ExitError {
  const reason = error instanceof Error ? error.message : String(error);
  return new ExitError(EXIT.unreadable, `Cannot write "${file}": ${reason}`);
}
