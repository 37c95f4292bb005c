import { type Registry, registry } from "../core/registry.ts";
import type { Strategy } from "../core/strategy.ts";
import { failover } from "./failover.ts";
import { script } from "./script.ts";
import { staticStrategy } from "./static.ts";
import { weighted } from "./weighted.ts";

/** Every strategy a group may name. */
export const strategies: Registry<Strategy> = registry("strategy", [
  failover,
  script,
  staticStrategy,
  weighted,
]);
