import type { Parts } from "../call.ts";
import type { Decision } from "../decision.ts";
import { memoOfObject } from "../memo.ts";
import type { Group } from "../snapshot.ts";
import { availability } from "./availability.ts";
import { budgetPreference } from "./budget_preference.ts";
import type { Pass } from "./pass.ts";
import { pin } from "./pin.ts";

/** What happens to every plan that holds, in this order. */
const PASSES: readonly Pass[] = [pin, budgetPreference, availability];

/** A group's own are found once: groups live as long as their snapshot. */
const passesOf = memoOfObject((group: Group) => PASSES.filter((pass) => pass.isFor(group)));

/** Runs a plan through the passes of its group: the decision has the order each left, and its targets. */
export function applyPasses(parts: Parts, decision: Decision, planned: readonly number[]): void {
  let order = planned;
  decision.passes.push({ pass: "strategy", order });
  for (const pass of passesOf(decision.group)) {
    order = pass.apply(parts, decision, order);
    decision.passes.push({ pass: pass.name, order });
  }
  decision.targets = order.flatMap((index) => decision.eligible[index] ?? []);
}
