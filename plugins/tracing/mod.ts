import { trace } from "@opentelemetry/api";
import { Afterwards } from "@/core/afterwards.ts";
import type { Tracer } from "@/core/call.ts";
import type { Log } from "@/core/log.ts";
import { safeCause } from "@/core/thrown.ts";
import { createAttemptMetrics } from "./attempt_metrics.ts";
import { beginCall } from "./call_spans.ts";
import { createEpoch } from "./epoch.ts";

const METHODS: ReadonlySet<string> = new Set(["DELETE", "GET", "HEAD", "OPTIONS", "POST", "PUT"]);

/** Each span that ends alone wakes the thread of the exporter, which takes longer than the span itself. */
const TOGETHER_MS = 10;

/**
 * Traces calls with whatever OpenTelemetry finds in this process: Deno's own exporter, with
 * `OTEL_DENO=true`. One span per call, below it one per step, and one per attempt below `send`. A call
 * notes times and attributes; its spans are written with those of others, when it is answered.
 */
export function createTracer({ version, log }: { version: string; log: Log }): Tracer {
  const tracer = trace.getTracer("pointsman", version);
  const metrics = createAttemptMetrics(version);
  const epoch = createEpoch(performance.timeOrigin, {
    now: Date.now,
    clock: () => performance.now(),
  });
  const written = new Afterwards<() => void>((write) => {
    try {
      write();
    } catch (error) {
      log.write("error", "call_failed", "Cannot write a span", { cause: safeCause(error) });
    }
  }, TOGETHER_MS);
  const parts = { tracer, metrics, written };
  return {
    found(method, route) {
      const server = trace.getActiveSpan();
      // A caller may make up a method, and a span's name is shown everywhere.
      server?.updateName(`${METHODS.has(method) ? method : "HTTP"} ${route}`.trimEnd());
      if (route !== "") server?.setAttribute("http.route", route);
    },
    begin: () => beginCall(parts, epoch()),
    flush: () => written.flush(),
  };
}
