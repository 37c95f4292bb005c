import {
  type Attributes,
  context,
  propagation,
  type Span,
  SpanKind,
  SpanStatusCode,
  trace,
} from "@opentelemetry/api";
import type { Attempt, AttemptTrace, CallTrace, Step, Tracer } from "@/core/call.ts";
import { createAttemptMetrics } from "./attempt_metrics.ts";
import { attemptAttributes, callAttributes } from "./attributes.ts";

const METHODS: ReadonlySet<string> = new Set(["DELETE", "GET", "HEAD", "OPTIONS", "POST", "PUT"]);

/**
 * Traces calls with whatever OpenTelemetry finds in this process: Deno's own exporter, with
 * `OTEL_DENO=true`. One span per call, below it one per step, and one per attempt below `send`.
 */
export function createTracer(version: string): Tracer {
  const tracer = trace.getTracer("pointsman", version);
  const metrics = createAttemptMetrics(version);

  function begin(): CallTrace {
    const root = tracer.startSpan("chat", { kind: SpanKind.INTERNAL });
    // What a caller says of itself in `baggage` is no provider's business.
    const call = propagation.deleteBaggage(trace.setSpan(context.active(), root));
    let step = tracer.startSpan("accept", {}, call);

    function enter(next: Step): void {
      step.end();
      step = tracer.startSpan(next, {}, call);
    }

    function beginAttempt({ target }: Attempt): AttemptTrace {
      const about = { kind: SpanKind.CLIENT };
      const span = tracer.startSpan(`chat ${target.model}`, about, trace.setSpan(call, step));
      return {
        run: (send) => context.with(trace.setSpan(call, span), send),
        end(attempt) {
          end(span, attemptAttributes(attempt), attempt.error !== null);
          metrics.record(attempt);
        },
      };
    }

    return {
      traceId: root.spanContext().traceId,
      enter,
      beginAttempt,
      end(ended, settlement) {
        step.end();
        if (ended.group) root.updateName(`chat ${ended.group.name}`);
        end(root, callAttributes(ended, settlement), settlement.error !== null);
      },
    };
  }

  return {
    found(method, route) {
      const server = trace.getActiveSpan();
      // A caller may make up a method, and a span's name is shown everywhere.
      server?.updateName(`${METHODS.has(method) ? method : "HTTP"} ${route}`.trimEnd());
      if (route !== "") server?.setAttribute("http.route", route);
    },
    begin,
  };
}

function end(span: Span, attributes: Attributes, failed: boolean): void {
  span.setAttributes(attributes);
  if (failed) span.setStatus({ code: SpanStatusCode.ERROR });
  span.end();
}
