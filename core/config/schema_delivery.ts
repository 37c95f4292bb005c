import { z } from "zod";
import { DIALECT_NAMES, DIALECTS_BY_API } from "../dialect_name.ts";
import {
  block,
  choice,
  filled,
  flag,
  list,
  ms,
  notation,
  numeric,
  pattern,
  text,
  whole,
} from "./kinds.ts";
import { modality } from "./schema_models.ts";
import { externalPolicy } from "./schema_policies.ts";

const ratio = () => numeric("ratio", 0, 1);

/** How conversations stay with a target. */
export const affinitySchema = block({
  enabled: flag().optional().describe("unset: true under `dynamic_score`"),
  ttl_ms: ms().default(600_000).describe("a pin not used for so long is gone"),
  max_entries: whole(1).default(100_000).describe("pins kept; the least recently used goes first"),
  header: pattern("string", /^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}$/, "a header name")
    .default("x-router-session").describe("names the conversation of a call"),
  enforce: flag().default(true).describe("false: a policy sees the pin, and decides"),
});

/** What happens from a pressure on the caller's budget on. */
export const budgetRuleSchema = block({
  at: numeric("ratio", 0).describe("share of a day's or month's limit that is used or reserved"),
  prefer_tags: list(filled()).default([]).describe("targets with one of these come first"),
  only_tags: list(filled()).default([])
    .describe("only targets with one of these serve, unless there are none"),
});

/** A dialect, also by the name of its API. */
function shape() {
  const names = [...DIALECT_NAMES, ...DIALECTS_BY_API.keys()];
  const error = `expected ${names.map((name) => `"${name}"`).join(", ")}`;
  return z.string({ error }).transform((name) => DIALECTS_BY_API.get(name) ?? name)
    .pipe(z.enum(DIALECT_NAMES, { error })).register(notation, { type: "dialect" });
}

const required = block({
  input_modalities: list(modality()).default([]).describe("declared by the target"),
  output_modalities: list(modality()).default([]).describe("declared by the target"),
  tools: flag().default(false).describe("declared for the caller's dialect"),
  forced_tool_choice: flag().default(false).describe("declared for the caller's dialect"),
  structured_outputs: flag().default(false).describe("declared for the caller's dialect"),
  reasoning: flag().default(false).describe("supported"),
  min_context_tokens: whole().default(0).describe("an unknown context fails it"),
  honors_max_tokens_when_caller_capped: flag().default(false)
    .describe("an output cap of the caller is honored"),
});

const floor = block({
  require_tags: list(filled()).default([]).describe("all of them"),
  allowed_validation_status: list(choice(["passed", "limited", "pending", "failed"])).default([])
    .describe("empty: all of them"),
  min_eval_quality_score: ratio().optional().describe("unset: no bound"),
  min_eval_pass_rate: ratio().optional().describe("unset: no bound"),
  max_eval_age_days: whole().optional().describe("in whole days, judged at each call"),
});

const targets = block({
  max_p95_latency_ms: whole(1).optional().describe("95th percentile of the latency"),
  min_output_tokens_per_sec: whole(1).optional().describe("median rate of output"),
  max_error_rate: ratio().optional().describe("share of failed attempts"),
  max_timeout_rate: ratio().optional().describe("share of timed out attempts"),
});

/** What a group promises of the targets that serve it. */
export const contractSchema = block({
  display_name: filled().optional()
    .describe("name in Anthropic's model list and in Codex's catalog; unset: that of the group"),
  caller_visible_notes: filled().max(500, { error: "expected at most 500 characters" }).optional()
    .describe("what Codex's catalog says about the group"),
  intended_workloads: list(filled()).default([]).describe("what the group is for; policies see it"),
  supported_api_shapes: list(shape()).optional().describe("dialects of callers; unset: all"),
  allowed_regions: list(filled()).optional().describe("of targets; unset: no bound"),
  required_capabilities: required.prefault({}).describe("what each target must declare"),
  quality_floor: floor.prefault({}).describe("how each target must have been evaluated"),
  expiry: block({
    warn_days: whole().default(7).describe("warned of from so many days before"),
    on_expired: choice(["reject", "warn"]).default("reject")
      .describe("of an evaluation that is too old; `warn` serves"),
  }).prefault({}).describe("evaluations that grow too old"),
  operational_targets: targets.optional()
    .describe("from 20 observed attempts on; fewer pass"),
  reporting: block({
    expose_workload_labels: flag().default(false).describe("`intended_workloads`"),
    expose_quality_floor_bucket: flag().default(false)
      .describe("how high the least quality is: `none`, `lt-0.5`, `ge-0.5`, ... `ge-0.95`"),
  }).prefault({}).describe("what records of calls, and so reports, show"),
});

const side = {
  script: filled("path").optional().describe("a policy in TypeScript, as the group's `script`"),
  external: externalPolicy.optional().describe("a policy that another server holds"),
};

/** A policy that a group has beside its own: at most one of the two. */
export type SideConfig = Partial<z.infer<z.ZodObject<typeof side>>>;

/** Which calls a policy decides about. */
export const rolloutSchema = block({
  percent: numeric("pct", 0, 100).default(100)
    .describe("share of calls that the group's policy decides about; members stay as it grows"),
  by: choice(["caller", "conversation"]).default("conversation").describe("what is a member"),
  salt: text().default("").describe("another salt has other members"),
  base: block(side).optional()
    .describe("decides about the others: exactly one policy; unset: `base_strategy`"),
  auto_rollback: block({
    window_ms: whole(1_000).default(60_000).describe("what is looked at"),
    min_decisions: whole(1).default(100).describe("of the new arm; fewer say nothing"),
    max_error_rate: ratio().default(0.02).describe("share of decisions with a fault"),
    max_timeout_rate: ratio().default(0.01).describe("share of decisions that took too long"),
    max_failed_call_ratio: numeric("num", 0).optional()
      .describe("share of failed calls over that of the base; unset: off"),
    max_cost_ratio: numeric("num", 0).optional()
      .describe("mean cost of calls over that of the base; unset: off"),
  }).optional().describe("when all calls go to the base again"),
});

/** A policy that decides beside the one that serves. */
export const shadowSchema = block({
  ...side,
  sample_percent: numeric("pct", 0, 100).default(10).describe("share of calls it is asked about"),
  max_queue: whole(1).default(256).describe(
    "decisions that may wait; more are dropped and counted",
  ),
});

/** Read. */
export type RolloutConfig = z.infer<typeof rolloutSchema>;
export type ContractConfig = z.infer<typeof contractSchema>;
