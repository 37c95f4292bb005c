/** What a group asks of the policy it names, by where the policy runs. */
export type PolicySettings = ScriptPolicySettings;

/** A policy in TypeScript, run by the policy host; times in ms. */
export interface ScriptPolicySettings {
  readonly kind: "script";
  /** Absolute path of the TypeScript file. */
  readonly path: string;
  /** Absolute folder that the policy and what it imports must lie in. */
  readonly root: string;
  /** Running time of a decision. */
  readonly timeoutMs: number;
  /** Heap above which its process is replaced, MiB. */
  readonly heapMb: number;
  /** Decisions under way at once; more wait. */
  readonly maxConcurrent: number;
}
