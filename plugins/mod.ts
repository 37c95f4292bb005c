import type { Tracer } from "@/core/call.ts";
import type { Plugin } from "@/core/plugin.ts";
import { registry } from "@/core/registry.ts";
import { echoUpstream } from "./echo/mod.ts";
import { createMetrics } from "./metrics/mod.ts";
import type { SupervisorMetrics } from "./metrics/supervisor_metrics.ts";

/** The upstreams that live in this process, reached by the base URL `builtin:<name>`. */
export const upstreams = registry("built-in upstream", [echoUpstream]);

/** Makes the plugins of one process that serves. */
export const createPlugins = (): readonly Plugin[] => [createMetrics()];

/** Makes the metrics of a supervisor, with the library that adds them up. */
export async function createSupervisorMetrics(
  options: Parameters<typeof import("./metrics/supervisor_metrics.ts").createSupervisorMetrics>[0],
): Promise<SupervisorMetrics> {
  const { createSupervisorMetrics } = await import("./metrics/supervisor_metrics.ts");
  return createSupervisorMetrics(options);
}

/** Makes what traces calls, with the library it traces with. */
export async function createTracer(
  options: Parameters<typeof import("./tracing/mod.ts").createTracer>[0],
): Promise<Tracer> {
  const { createTracer } = await import("./tracing/mod.ts");
  return createTracer(options);
}
