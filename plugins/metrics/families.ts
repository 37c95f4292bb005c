import type { Exposition } from "./exposition.ts";

/** Money is counted in nano-USD, which are whole. */
export const NANO = 1e9;

const CALL = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 120, 300, 600];
const FIRST = [0.05, 0.1, 0.2, 0.4, 0.8, 1.5, 3, 6, 12, 30, 60];
const OVERHEAD = [0.00005, 0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.05, 0.25];
export const BATCH = [0.01, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 30];
const THROUGHPUT = [5, 10, 20, 40, 60, 80, 120, 200, 400, 800];

/** The families that calls and other events fill. */
export type Families = ReturnType<typeof declareFamilies>;

/** Declares them. Durations are seconds, money is USD. */
export function declareFamilies({ counter, histogram }: Exposition) {
  const target = ["provider", "model"];
  const served = ["group", ...target];
  return {
    requests: counter({
      name: "requests_total",
      help: "Calls that ended.",
      labels: ["group", "dialect", "status_class", "cache"],
    }),
    errors: counter({
      name: "errors_total",
      help: "Calls that ended with an error.",
      labels: ["group", "error", "origin"],
    }),
    interruptions: counter({
      name: "stream_interruptions_total",
      help: "Streams that ended early, after their first content.",
      labels: ["group", "origin"],
    }),
    attempts: counter({
      name: "upstream_attempts_total",
      help: "Attempts at targets.",
      labels: [...target, "outcome"],
    }),
    fallbacks: counter({
      name: "fallbacks_total",
      help: "Attempts that followed a failed one, by its failure.",
      labels: ["group", "reason"],
    }),
    tokens: counter({
      name: "tokens_total",
      help: "Tokens as settled; classes do not overlap, but reasoning is part of output.",
      labels: [...served, "class"],
    }),
    cost: counter({
      name: "cost_usd_total",
      help: "Cost of calls in USD; classes do not overlap.",
      labels: [...served, "class"],
    }, NANO),
    unpriced: counter({
      name: "unpriced_requests_total",
      help: "Calls with tokens that have no price.",
      labels: ["group"],
    }),
    denials: counter({
      name: "auth_failures_total",
      help: "Requests refused for what they showed.",
      labels: ["surface", "reason"],
    }),
    duration: histogram({
      name: "request_duration_seconds",
      help: "Time of a call, to its last byte.",
      labels: ["group", "stream", "status_class"],
    }, CALL),
    overhead: histogram({
      name: "overhead_seconds",
      help: "Time of a call that was spent in the gateway itself.",
      labels: ["group"],
    }, OVERHEAD),
    ttft: histogram({
      name: "ttft_seconds",
      help: "Time of a streamed call to its first content.",
      labels: served,
    }, FIRST),
    throughput: histogram({
      name: "output_tokens_per_second",
      help: "Output tokens of a reply, by the time of its attempt.",
      labels: target,
    }, THROUGHPUT),
    upstreamDuration: histogram({
      name: "upstream_duration_seconds",
      help: "Time of an attempt.",
      labels: [...target, "outcome"],
    }, CALL),
    upstreamTtfb: histogram({
      name: "upstream_ttfb_seconds",
      help: "Time of an attempt to the provider's first byte.",
      labels: [...target, "outcome"],
    }, FIRST),
    journalWrite: histogram({
      name: "journal_write_seconds",
      help: "Time to write the line of a call.",
    }, OVERHEAD),
    shipBatch: histogram({
      name: "shipper_batch_seconds",
      help: "Time to store a batch of lines in the usage database.",
    }, BATCH),
    loopDelay: histogram({
      name: "event_loop_delay_seconds",
      help: "How late a timer of the event loop ran.",
    }, OVERHEAD),
  };
}

/** Families per caller; declared only where they are asked for. */
export function declareCallerFamilies({ counter }: Exposition) {
  const labels = ["caller"];
  return {
    requests: counter({ name: "caller_requests_total", help: "Calls of a caller.", labels }),
    tokens: counter({
      name: "caller_tokens_total",
      help: "Input and output tokens of a caller.",
      labels,
    }),
    cost: counter({
      name: "caller_cost_usd_total",
      help: "Cost of a caller in USD.",
      labels,
    }, NANO),
  };
}
