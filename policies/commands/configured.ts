import { ExitError } from "../../core/command.ts";
import type { PolicySettings } from "../../core/policy_runner.ts";
import type { Bundle } from "../sandbox/bundle.ts";
import { CONTRACT } from "../signing/manifest.ts";
import { EXIT } from "./exit.ts";

/** What the commands of policies need of a configuration. */
export interface ConfiguredPolicies {
  readonly groups: ReadonlyMap<string, { readonly policy: PolicySettings | null }>;
  /** Where the state of the gateway is: a path or a URL. */
  readonly statePath: string;
}

/** Loads a configuration: that of `--config`, else the default one. */
export type PolicyConfig = (path: string | undefined) => ConfiguredPolicies;

/**
 * The policy of a group.
 *
 * @throws {ExitError} code 2 when there is none
 */
export function policyOf({ groups }: ConfiguredPolicies, group: string): PolicySettings {
  const policy = groups.get(group)?.policy;
  if (policy) return policy;
  const names = [...groups].flatMap(([name, { policy }]) => policy ? [name] : []);
  const known = names.length === 0 ? "no group has one" : `those of ${names.join(", ")} are`;
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
