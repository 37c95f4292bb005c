import { z } from "zod";
import { block, choice, filled, flag, list, numeric, whole } from "../core/config/kinds.ts";
import { readExpression, type ScoreName } from "./score_expression.ts";

const COMPLEXITIES = ["trivial", "standard", "complex", "extreme"] as const;

const when = block({
  complexity_lte: choice(COMPLEXITIES).optional().describe("at most so complex"),
  complexity_gte: choice(COMPLEXITIES).optional().describe("at least so complex"),
  input_tokens_lte: whole().optional().describe("at most so many estimated tokens"),
  input_tokens_gte: whole().optional().describe("at least so many estimated tokens"),
  stream: flag().optional().describe("streamed or not"),
  has_tools: flag().optional().describe("with tools or without"),
  has_images: flag().optional().describe("with images or without"),
  structured_output: flag().optional().describe("asks for JSON or not"),
  reasoning: flag().optional().describe("asks for reasoning or not"),
  budget_gte: numeric("ratio", 0).optional().describe("least pressure on the caller's budget"),
  projects: list(filled()).optional().describe("calls of these projects"),
}, ["prompt_features_any"]);

/** When a term counts; everything stated must hold. */
export type ScoreWhen = z.infer<typeof when>;

const expression = filled().refine((text) => typeof readExpression(text) !== "string", {
  error: ({ input }) => {
    const flaw = readExpression(typeof input === "string" ? input : "");
    return typeof flaw === "string" ? flaw : "expected an expression";
  },
});

const term = block({
  name: filled().describe("name of the term"),
  expression: expression.describe("such as `0.5*cost_score + 0.3*latency_score`"),
  require_tags: list(filled()).default([]).describe("0 for targets that lack one of them"),
  when: when.optional().describe("calls it counts for; unset: all"),
});

const thresholds = block({
  max_error_rate: numeric("ratio", 0, 1).optional().describe("share of failed attempts"),
  max_timeout_rate: numeric("ratio", 0, 1).optional().describe("share of timed out attempts"),
  max_p95_latency_ms: whole(1).optional().describe("95th percentile of the latency"),
  min_output_tokens_per_sec: whole(1).optional().describe("median rate of output"),
});

/** Limits beyond which a target goes behind the others. */
export type ScoreThresholds = z.infer<typeof thresholds>;

const enabled = () =>
  block({ enabled: flag().default(true).describe("false: its scores are unknown") }).prefault({});

const signals = block({
  cost: enabled(),
  evaluation_metadata: enabled(),
  observed_performance: enabled(),
  complexity: enabled(),
}, ["request_shape", "prompt_features"]);

const HARD_FILTERS = [
  "require_requested_api_skin",
  "require_input_modalities",
  "require_tool_support_when_tools_present",
  "require_reasoning_support_when_requested",
  "require_honors_max_tokens_when_caller_capped",
] as const;

const always = () =>
  z.literal(true, { error: "expected true: these rules are always on" }).default(true);

const hardFilters = block(
  Object.fromEntries(HARD_FILTERS.map((name) => [name, always().describe("always on")])),
);

const DEFAULT_TERMS = [{
  name: "default",
  expression: "0.5*cost_score + 0.3*latency_score + 0.2*reliability_score",
}];

const scoreBlock = block({
  cold_start_policy: choice(["configured_weight"]).default("configured_weight")
    .describe("what decides while nothing is known"),
  min_observations: whole(1).default(20).describe("fewer: the target is cold"),
  selection: choice(["best", "proportional"]).default("best")
    .describe("the best first, or draws by final score"),
  explore_percent: numeric("pct", 0, 100).default(5)
    .describe("share of calls whose first target is drawn by weight"),
  thresholds: thresholds.prefault({}).describe("beyond: behind the others"),
  signals: signals.prefault({}).describe("which scores are known"),
  hard_filters: hardFilters.prefault({}).describe("always on"),
  max_score_adjustment_percent: numeric("pct", 0, 100).default(50)
    .describe("how far scores move the order away from the weights"),
  score_terms: list(term).min(1).prefault(DEFAULT_TERMS).describe("what makes a target good"),
}, ["observation_window_seconds"]);

/** Options of `dynamic_score`, read. */
export type ScoreOptions = z.infer<typeof scoreBlock>;

/** Keys of a group whose strategy scores its targets. */
export const scoreOptions = block({
  routing_policy: block({
    dynamic_score: scoreBlock.prefault({}).describe("how targets are scored"),
  }).prefault({}).describe("options of the strategy"),
});

/** Keys of a group whose strategy scores its targets, read. */
export type ScoreKeys = z.infer<typeof scoreOptions>;

/** The options of a preset: one score decides alone, whatever weights and terms say. */
export function presetOf(score: ScoreName, { routing_policy }: ScoreKeys): ScoreOptions {
  return {
    ...routing_policy.dynamic_score,
    max_score_adjustment_percent: 100,
    score_terms: [{ name: score, expression: score, require_tags: [] }],
  };
}
