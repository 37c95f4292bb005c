import { type Attributes, metrics } from "@opentelemetry/api";
import type { Attempt } from "@/core/call.ts";
import { providerName } from "./attributes.ts";

/** Bounds of the semantic conventions: seconds, seconds, tokens. */
const DURATION = Array.from({ length: 14 }, (_, power) => 0.01 * 2 ** power);
const FIRST_CHUNK = [
  ...[0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08],
  ...[0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10],
];
const TOKENS = Array.from({ length: 14 }, (_, power) => 4 ** power);

/** Metrics of attempts over OTLP. */
export interface AttemptMetrics {
  record(attempt: Attempt): void;
}

/**
 * Makes the metrics that the semantic conventions ask of a client of models.
 *
 * @see https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-metrics/
 */
export function createAttemptMetrics(version: string): AttemptMetrics {
  const meter = metrics.getMeter("pointsman", version);
  const histogram = (name: string, unit: string, explicitBucketBoundaries: number[]) =>
    meter.createHistogram(name, { unit, advice: { explicitBucketBoundaries } });
  const duration = histogram("gen_ai.client.operation.duration", "s", DURATION);
  const first = histogram("gen_ai.client.operation.time_to_first_chunk", "s", FIRST_CHUNK);
  const tokens = histogram("gen_ai.client.token.usage", "{token}", TOKENS);
  return {
    record({ target, error, stopped, facts, startedAt, firstByteAt, endedAt }) {
      const failed = error?.class ?? (stopped === "hedge_loser" ? stopped : null);
      const about: Attributes = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": providerName(target.dialect),
        "gen_ai.request.model": target.model,
        ...(failed ? { "error.type": failed } : {}),
      };
      if (endedAt !== null) duration.record((endedAt - startedAt) / 1000, about);
      if (firstByteAt !== null) first.record((firstByteAt - startedAt) / 1000, about);
      const { input = null, output = null } = facts?.usage ?? {};
      if (input !== null) tokens.record(input, { ...about, "gen_ai.token.type": "input" });
      if (output !== null) tokens.record(output, { ...about, "gen_ai.token.type": "output" });
    },
  };
}
