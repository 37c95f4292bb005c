import type { PolicyFault } from "./policy_fault.ts";

/** How the policies stand; fixed codes. */
export type PolicyState = "ok" | "unavailable" | "quarantined";

/** The worst of several states; `undefined` stands for a part that has none. */
export function worstState(states: readonly (PolicyState | undefined)[]): PolicyState {
  if (states.includes("quarantined")) return "quarantined";
  return states.includes("unavailable") ? "unavailable" : "ok";
}

/** How the policy of a group stands; counts since the group has one. */
export interface PolicyStanding {
  readonly group: string;
  readonly state: PolicyState;
  /** SHA-256 of the bundle in force, hex. */
  readonly digest: string;
  /** Faults of calls by their names. */
  readonly faults: Readonly<Partial<Record<PolicyFault, number>>>;
  /** Decisions that wait for a place. */
  readonly queued: number;
  /** Hosts that ended by themselves or were killed. */
  readonly hostRestarts: number;
  /** Plans that were not the same when they were made again. */
  readonly nondeterminism: number;
}

/** What one process says of its policies. */
export interface PolicyNotice {
  /** Name of the replica, and number of the process. */
  readonly process: string;
  /** Epoch ms. */
  readonly at: number;
  readonly standings: readonly PolicyStanding[];
}

/** Where processes say how their policies stand, and are told to resume them. */
export interface PolicyBoard extends Disposable {
  /** What the processes that run now have said. */
  read(): Promise<readonly PolicyNotice[]>;
  /** Asks all processes to ask the policy of a group again: ends its quarantine, and a rollback. */
  askToResume(group: string): Promise<void>;
}
