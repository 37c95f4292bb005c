import { ExitError, fileError } from "../../core/command.ts";
import { policyGroups } from "../../core/policy_groups.ts";
import type { Snapshot } from "../../core/snapshot.ts";
import type { Bundle } from "../sandbox/bundle.ts";
import type { TriedPolicy } from "../sandboxed_policy.ts";
import { CONTRACT } from "../signing/manifest.ts";
import { EXIT } from "./exit.ts";

/** What the commands of policies need of a configuration. */
export type ConfiguredPolicies = Pick<Snapshot, "groups" | "server">;

/** Loads a configuration: that of `--config`, else the default one. */
export type PolicyConfig = (path: string | undefined) => ConfiguredPolicies;

/** The policies in TypeScript, by the names they are asked under: those of groups, and those beside them. */
export function scriptsOf(config: ConfiguredPolicies): ReadonlyMap<string, TriedPolicy> {
  const { isolation, trust } = config.server.policies;
  return new Map(
    policyGroups(config).flatMap(({ name, policy }) =>
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

/**
 * The policy of the first group that serves a file, or of the group that is named.
 *
 * @throws {ExitError} code 2 when no group has it
 */
export function servingPolicy(
  config: ConfiguredPolicies,
  file: string,
  group: string | undefined,
): TriedPolicy {
  if (group !== undefined) return { ...policyOf(config, group), path: file };
  const found = [...scriptsOf(config).values()].find(({ path }) => isSameFile(path, file));
  if (found) return found;
  throw new ExitError(2, `Cannot find a group whose script is "${file}": name one with --group`);
}

/** Whether a path leads to a file, whose real path is given. */
export function isSameFile(path: string, file: string): boolean {
  try {
    return Deno.realPathSync(path) === file;
  } catch {
    return false;
  }
}

/** Which grants a policy lacks, and where they are stated. */
export function grantLines(ungranted: Iterable<string>): readonly string[] {
  return [...ungranted].map((place) =>
    `not granted: "${place}"; script_permissions.net of its group grants it (--config, --group)`
  );
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

/**
 * Writes a file.
 *
 * @throws {ExitError} code 5 when it cannot be written
 */
export function orUnwritable(file: string, write: () => void): void {
  try {
    write();
  } catch (error) {
    throw fileError("write", file, error, EXIT.unreadable);
  }
}
