import type { BreakerOptions } from "./breaker.ts";
import type { EgressRules } from "./egress.ts";

/** What a group asks of the policy it names, by where the policy runs. */
export type PolicySettings = ScriptPolicySettings | ExternalPolicySettings;

/** A policy in TypeScript, run by the policy host; times in ms. */
export interface ScriptPolicySettings {
  readonly kind: "script";
  /** Absolute path of the TypeScript file, or of the manifest of a built policy. */
  readonly path: string;
  /** Absolute folder that the policy and what it imports must lie in. */
  readonly root: string;
  /** Running time of a decision. */
  readonly timeoutMs: number;
  /** Heap above which its process is replaced, MiB. */
  readonly heapMb: number;
  /** Decisions under way at once; more wait. */
  readonly maxConcurrent: number;
  /** `host:port` that it may reach. */
  readonly net: readonly string[];
  readonly http: ScriptHttpSettings;
}

/** How the requests of a policy are made; times in ms, sizes in bytes. */
export interface ScriptHttpSettings {
  readonly timeoutMs: number;
  readonly maxResponseBytes: number;
  readonly allowHttp: boolean;
  /** By lower-case name; they may hold secrets, and no policy sees them. */
  readonly headers: Readonly<Record<string, string>>;
}

/** A policy that another server holds; times in ms, sizes in bytes. */
export interface ExternalPolicySettings {
  readonly kind: "external";
  readonly url: string;
  readonly egress: EgressRules;
  /** Connect to last byte. */
  readonly timeoutMs: number;
  readonly maxResponseBytes: number;
  /** Whether it sees the request itself; the group may say so for all of its policies. */
  readonly includeRequest: boolean;
  /** By lower-case name; they may hold secrets. */
  readonly headers: Readonly<Record<string, string>>;
  readonly breaker: BreakerOptions;
  /** How long a plan is used again; 0: never. */
  readonly verdictTtlMs: number;
  /** `null`: it is not told what became of calls. */
  readonly feedback: FeedbackSettings | null;
}

/** How a policy is told what became of calls; times in ms, sizes in bytes. */
export interface FeedbackSettings {
  readonly url: string;
  readonly egress: EgressRules;
  /** By lower-case name; they may hold secrets. */
  readonly headers: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
  /** Tries before the waits grow longer. */
  readonly maxRetries: number;
  readonly retryBackoffMs: number;
  readonly maxLineBytes: number;
  /** Whether the log tells of lines that cannot be delivered. */
  readonly logsFailure: boolean;
  readonly spoolBytes: number;
  readonly maxAgeMs: number;
}
