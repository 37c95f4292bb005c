import { registry } from "@/core/registry.ts";
import { echoUpstream } from "./echo/mod.ts";
import { createMetrics } from "./metrics/mod.ts";

/** The upstreams that live in this process, reached by the base URL `builtin:<name>`. */
export const upstreams = registry("built-in upstream", [echoUpstream]);

/** Makes the plugins of one gateway. */
export const createPlugins = () => [createMetrics()];

export { createTracer } from "./tracing/mod.ts";
