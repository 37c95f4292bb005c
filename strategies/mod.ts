import { type Registry, registry } from "../core/registry.ts";
import type { Strategy } from "../core/strategy.ts";
import { cost } from "./cost.ts";
import { dynamicScore } from "./dynamic_score.ts";
import { external } from "./external.ts";
import { failover } from "./failover.ts";
import { latency } from "./latency.ts";
import { script } from "./script.ts";
import { staticStrategy } from "./static.ts";
import { weighted } from "./weighted.ts";

/** Every strategy a group may name. */
export const strategies: Registry<Strategy> = registry("strategy", [
  cost,
  dynamicScore,
  external,
  failover,
  latency,
  script,
  staticStrategy,
  weighted,
]);
