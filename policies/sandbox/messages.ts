import type { PolicyFault } from "../../core/policy_fault.ts";

/** What a host is asked to load; times in ms. */
export interface LoadMessage {
  /** One classic script that leaves its exports in `__policy`. */
  readonly code: string;
  readonly timeoutMs: number;
  readonly heapMb: number;
  /** Whether the policy may ask for requests; absent: it may not. */
  readonly fetches?: boolean;
  /** Whether faults carry the message and stack of what was thrown. */
  readonly traces: boolean;
}

/** Why a decision has no plan. */
export interface HostFault {
  readonly fault: PolicyFault;
  /** Message and stack of what was thrown; there only when traces were asked for. */
  readonly detail?: string;
}

/** Most contexts that a host is asked about at once. */
export const MAX_BATCH = 64;

/** Longest top level of a bundle, ms. */
export const LOAD_TIMEOUT_MS = 1_000;

/** Largest plan, bytes of JSON. */
export const MAX_PLAN_BYTES = 65_536;

/** Largest answer of a host, bytes; one that sends more is ended. */
export const MAX_ANSWER_BYTES = 1_048_576;

/** Largest message to a host, bytes. */
export const MAX_MESSAGE_BYTES = 64 * 1_048_576;

/** Exit code of a host that grew past its memory. */
export const EXIT_MEMORY = 77;

/** Exit code of a host whose thread failed. */
export const EXIT_CRASHED = 70;
