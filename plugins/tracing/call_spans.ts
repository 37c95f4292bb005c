import {
  type Attributes,
  type Context,
  context,
  isSpanContextValid,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  trace,
  TraceFlags,
  type Tracer as SpanTracer,
} from "@opentelemetry/api";
import type { Afterwards } from "@/core/afterwards.ts";
import type { Attempt, AttemptTrace, Call, CallTrace, Settlement, Step } from "@/core/call.ts";
import type { AttemptMetrics } from "./attempt_metrics.ts";
import { attemptAttributes, callAttributes } from "./attributes.ts";

/** What the spans of a call are made with. */
interface SpanParts {
  readonly tracer: SpanTracer;
  readonly metrics: AttemptMetrics;
  readonly written: Afterwards<() => void>;
}

/** A step, and its span once something hangs on it. */
interface StepTime {
  readonly step: Step;
  /** Epoch ms. */
  readonly startTime: number;
  span: Span | null;
}

/** How a span ended. */
interface Ending {
  readonly attributes: Attributes;
  readonly failed: boolean;
  /** Epoch ms. */
  readonly endTime: number;
}

/** How a call began. */
interface CallStart {
  readonly root: Span;
  /** Epoch ms. */
  readonly startTime: number;
  /** Epoch ms at which the monotonic clock was 0. */
  readonly epoch: number;
}

/** Begins the trace of a call; one that is not sampled tells its provider so, and is measured. */
export function beginCall(parts: SpanParts, epoch: number): CallTrace {
  const startTime = epoch + performance.now();
  const root = parts.tracer.startSpan("chat", { startTime });
  const about = root.spanContext();
  if (about.traceFlags & TraceFlags.SAMPLED) {
    return new CallSpans(parts, { root, startTime, epoch });
  }
  // Which variables decide about spans is the platform's business.
  const traceId = isSpanContextValid(about) ? about.traceId : null;
  const run: AttemptTrace["run"] = (send) => context.with(childrenOf(root), send);
  const end = (attempt: Attempt) => parts.written.add(() => parts.metrics.record(attempt));
  return { traceId, enter() {}, beginAttempt: () => ({ run, end }), end() {} };
}

/** The spans of one call. Those that others name as their parent begin at once, the rest when all is over. */
class CallSpans implements CallTrace {
  readonly traceId: string;
  readonly #parts: SpanParts;
  /** Epoch ms at which the monotonic clock was 0. */
  readonly #epoch: number;
  readonly #root: Span;
  readonly #below: Context;
  readonly #steps: StepTime[] = [];

  /** Begins in step accept, with the span of the call. */
  constructor(parts: SpanParts, { root, startTime, epoch }: CallStart) {
    this.#parts = parts;
    this.#epoch = epoch;
    this.#root = root;
    this.#below = childrenOf(root);
    this.traceId = root.spanContext().traceId;
    this.#steps.push({ step: "accept", startTime, span: null });
  }

  enter(step: Step): void {
    this.#steps.push({ step, startTime: this.#now(), span: null });
  }

  beginAttempt({ target }: Attempt): AttemptTrace {
    const about = { kind: SpanKind.CLIENT, startTime: this.#now() };
    const below = childrenOf(this.#spanOf(this.#steps.at(-1)!));
    const span = this.#parts.tracer.startSpan(`chat ${target.model}`, about, below);
    return {
      run: (send) => context.with(childrenOf(span), send),
      end: (attempt) => this.#endAttempt(span, attempt),
    };
  }

  end(call: Call, settlement: Settlement): void {
    const attributes = callAttributes(call, settlement);
    const failed = settlement.error !== null;
    const ending = { attributes, failed, endTime: this.#now() };
    const name = call.group && `chat ${call.group.name}`;
    this.#parts.written.add(() => {
      this.#steps.forEach((step, place) => {
        this.#spanOf(step).end(this.#steps[place + 1]?.startTime ?? ending.endTime);
      });
      if (name !== null) this.#root.updateName(name);
      end(this.#root, ending);
    });
  }

  #endAttempt(span: Span, attempt: Attempt): void {
    const attributes = attemptAttributes(attempt);
    const ending = { attributes, failed: attempt.error !== null, endTime: this.#now() };
    this.#parts.written.add(() => {
      end(span, ending);
      this.#parts.metrics.record(attempt);
    });
  }

  #spanOf(step: StepTime): Span {
    const { startTime } = step;
    return step.span ??= this.#parts.tracer.startSpan(step.step, { startTime }, this.#below);
  }

  #now(): number {
    return this.#epoch + performance.now();
  }
}

/** Nothing else is handed on: what a caller says of itself in `baggage` is no provider's business. */
const childrenOf = (span: Span): Context => trace.setSpan(ROOT_CONTEXT, span);

function end(span: Span, { attributes, failed, endTime }: Ending): void {
  span.setAttributes(attributes);
  if (failed) span.setStatus({ code: SpanStatusCode.ERROR });
  span.end(endTime);
}
