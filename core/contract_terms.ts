import type { DialectName } from "./dialect_name.ts";

/** How a target was evaluated; `validatedAt` is epoch ms, scores 0..1. */
export interface Validation {
  readonly status: "passed" | "limited" | "pending" | "failed";
  /** What was tried; empty when that is not stated. */
  readonly workload: string;
  readonly validatedAt: number | null;
  readonly qualityScore: number | null;
  readonly passRate: number | null;
}

/** What a group promises of the targets that serve it; `null` and empty: nothing. */
export interface Contract {
  readonly intendedWorkloads: readonly string[];
  readonly shapes: readonly DialectName[] | null;
  readonly regions: readonly string[] | null;
  readonly required: {
    readonly inputModalities: readonly string[];
    readonly outputModalities: readonly string[];
    readonly toolFeatures: readonly string[];
    readonly structuredOutputs: boolean;
    readonly reasoning: boolean;
    readonly minContextTokens: number;
    /** An output cap of the caller must be honored. */
    readonly honorsCaps: boolean;
  };
  readonly floor: {
    readonly requireTags: readonly string[];
    readonly statuses: readonly string[];
    readonly minQualityScore: number | null;
    readonly minPassRate: number | null;
    readonly maxAgeDays: number | null;
  };
  /** Whether targets whose evaluation is too old serve all the same. */
  readonly serveExpired: boolean;
  readonly warnDays: number;
  /** What records of calls say of it; empty: nothing. */
  readonly reported: { readonly workload: string; readonly bucket: string };
  readonly targets: {
    readonly maxP95LatencyMs: number | null;
    readonly minOutputTokensPerSec: number | null;
    readonly maxErrorRate: number | null;
    readonly maxTimeoutRate: number | null;
  } | null;
}
