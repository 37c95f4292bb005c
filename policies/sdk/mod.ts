/**
 * What a routing policy may import: the types of its one function, and the pure functions of the
 * built-in strategies. A policy is a module with an export `route`, from a context to a plan.
 *
 * @module
 */
export { expectedCostNusd } from "../../core/expected_cost.ts";
export { randomFrom as random } from "../../core/random.ts";
export type {
  Plan,
  RejectedTarget,
  RouteContext,
  TargetSelector,
  TargetSignals,
  TargetView,
} from "../../core/strategy.ts";
export { drawByWeight as weightedOrder } from "../../core/weighted_order.ts";
export { byScore, planOf } from "./order.ts";
export type { Router, RouterAnswer, RouterRequest } from "./router.ts";
