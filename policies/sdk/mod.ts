export type { Plan, RouteContext, TargetSignals, TargetView } from "../../core/strategy.ts";
