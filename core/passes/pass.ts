import type { Parts } from "../call.ts";
import type { Decision, PassName } from "../decision.ts";
import type { Group } from "../snapshot.ts";

/** One thing that may change the order of a plan. It adds no target and drops none. */
export interface Pass {
  readonly name: PassName;
  /** Whether a group has it: asked once. */
  isFor(group: Group): boolean;
  /** The order it leaves, in indexes of `RouteContext.targets`; what it saw goes to the decision. */
  apply(parts: Parts, decision: Decision, order: readonly number[]): readonly number[];
}
