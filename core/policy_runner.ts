import type { Problem } from "./config/problem.ts";
import type { OpenSpool } from "./spool.ts";
import type { PolicySettings } from "./policy_settings.ts";
import type { PolicyStanding, PolicyState } from "./policy_standing.ts";
import type { PolicyDecider } from "./strategy.ts";

/** Where policies run: in processes of their own, or in threads of the gateway. */
export type Isolation = "process" | "worker";

/** Whose policies may decide. */
export interface PolicyTrust {
  /** Whether a policy without a signature is refused. */
  readonly required: boolean;
  /** Ed25519 keys by their ids; absolute paths of PEM files. */
  readonly keys: readonly { readonly keyId: string; readonly path: string }[];
}

/** A group's policy as the runner knows it. */
export interface PolicyGroup {
  readonly name: string;
  /** `null`: the group has no policy. */
  readonly policy: PolicySettings | null;
}

/** A policy as it is stored, so that its decisions can be made again. */
export interface PolicyBundle {
  readonly name: string;
  /** The script that the digest is of. */
  readonly code: string;
  readonly manifestJson: string;
  /** `null`: it is not signed. */
  readonly signatureJson: string | null;
}

/** Tells policies what became of the calls they were asked about. */
export interface PolicyFeedback {
  /** Keeps a line about a call for the group's policy, to be delivered. Never throws. */
  feed(group: string, line: string): void;
  /** Begins to deliver such lines, also those that an earlier process has left. */
  deliver(open: OpenSpool): void;
  /** Lines that were given up since the start, and bytes that wait. */
  readonly feedback: FeedbackCounts;
}

/** What became of lines for policies, and what waits. */
export interface FeedbackCounts {
  readonly dropped: number;
  readonly waitingBytes: number;
}

/**
 * Runs the policies of groups away from the gateway. What strategies need of it is `decide`; the rest
 * follows the configuration.
 */
export interface PolicyRunner extends PolicyDecider, PolicyFeedback {
  /** Bundles and warms the policies of a configuration that may come into force; errors refuse it. */
  prepare(
    groups: Iterable<PolicyGroup>,
    settings: PolicyHostSettings,
  ): Promise<readonly Problem[]>;
  /** Brings what was prepared into force. */
  adopt(groups: Iterable<PolicyGroup>, settings: PolicyHostSettings): void;
  /** SHA-256 of the bundle in force for a group, hex; `null`: it has no policy. */
  digestOf(group: string): string | null;
  /** A bundle in force, by its digest; `null`: it is not, or no more. */
  bundleOf(digest: string): PolicyBundle | null;
  /** The worst of all groups. */
  readonly state: PolicyState;
  /** Of each group with a policy in TypeScript. */
  standings(): readonly PolicyStanding[];
  /** Changed policies by what became of them. */
  readonly reloads: Readonly<Record<"applied" | "refused", number>>;
  /** Asks the policy of a group again, whatever its faults. */
  resume(group: string): void;
  /** Ends every process, and waits for their end. */
  close(): Promise<void>;
}

/** Settings of all policy hosts; times in ms. */
export interface PolicyHostSettings {
  /** Processes for each policy. */
  readonly hosts: number;
  /** Whether a change of a source brings a new version into force. */
  readonly watch: boolean;
  readonly isolation: Isolation;
  readonly trust: PolicyTrust;
  readonly quarantine: QuarantineSettings;
}

/** When a policy that fails is not asked for a while; times in ms. */
export interface QuarantineSettings {
  /** Faults within `windowMs` that open it. */
  readonly faults: number;
  readonly windowMs: number;
  readonly openMs: number;
  readonly maxOpenMs: number;
}
