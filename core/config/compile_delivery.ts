import type { Contract } from "../contract_terms.ts";
import type { Group, Rollout, Shadow, SidePolicy } from "../snapshot.ts";
import { fingerprint } from "./canonical.ts";
import type { ContractConfig, RolloutConfig } from "./schema_delivery.ts";
import type { GroupConfig } from "./schema_groups.ts";

/** How the plans of a group reach its calls: what all strategies share. */
export function compileDelivery(
  group: GroupConfig,
): Pick<Group, "affinity" | "budgetRules" | "contract"> {
  return {
    affinity: affinityOf(group),
    budgetRules: group.budget_pressure
      .map(({ at, prefer_tags, only_tags }) => ({
        name: `at:${at}`,
        at,
        preferTags: prefer_tags,
        onlyTags: only_tags,
      }))
      .toSorted((a, b) => a.at - b.at),
    contract: group.contract ? contractOf(group.contract) : null,
  };
}

/** A rollout with the policy of the calls that it leaves alone. */
export function rolloutOf(config: RolloutConfig, base: SidePolicy | null): Rollout {
  const { percent, by, salt, auto_rollback: limits } = config;
  return {
    percent,
    by,
    salt,
    base,
    autoRollback: limits
      ? {
        windowMs: limits.window_ms,
        minDecisions: limits.min_decisions,
        maxErrorRate: limits.max_error_rate,
        maxTimeoutRate: limits.max_timeout_rate,
        maxFailedCallRatio: limits.max_failed_call_ratio ?? null,
        maxCostRatio: limits.max_cost_ratio ?? null,
      }
      : null,
    block: fingerprint({ percent, by, salt, base: base?.policy ?? null, limits }),
  };
}

/** A shadow; `null` without a policy. */
export function shadowOf(
  shadow: { readonly sample_percent: number; readonly max_queue: number } | undefined,
  side: SidePolicy | null,
): Shadow | null {
  if (!shadow || !side) return null;
  return { ...side, samplePercent: shadow.sample_percent, maxQueue: shadow.max_queue };
}

function affinityOf({ affinity, strategy }: GroupConfig): Group["affinity"] {
  return {
    enabled: affinity.enabled ?? strategy === "dynamic_score",
    ttlMs: affinity.ttl_ms,
    maxEntries: affinity.max_entries,
    header: affinity.header,
    enforce: affinity.enforce,
  };
}

/** Lower ends of the buckets of a quality floor, from the highest. */
const FLOORS = [0.95, 0.85, 0.7, 0.5];

/** How high a quality floor is, roughly: by its score, else by its rate. */
function floorBucket(floor: ContractConfig["quality_floor"]): string {
  const least = floor.min_eval_quality_score ?? floor.min_eval_pass_rate;
  if (least === undefined) return "none";
  const end = FLOORS.find((end) => least >= end);
  return end === undefined ? `lt-${FLOORS.at(-1)}` : `ge-${end}`;
}

function contractOf(config: ContractConfig): Contract {
  const { required_capabilities: required, quality_floor: floor } = config;
  const targets = config.operational_targets;
  return {
    intendedWorkloads: config.intended_workloads,
    shapes: config.supported_api_shapes ?? null,
    regions: config.allowed_regions ?? null,
    required: {
      inputModalities: required.input_modalities,
      outputModalities: required.output_modalities,
      toolFeatures: [
        ...(required.tools ? ["tools"] : []),
        ...(required.forced_tool_choice ? ["tool_choice"] : []),
      ],
      structuredOutputs: required.structured_outputs,
      reasoning: required.reasoning,
      minContextTokens: required.min_context_tokens,
      honorsCaps: required.honors_max_tokens_when_caller_capped,
    },
    floor: {
      requireTags: floor.require_tags,
      statuses: floor.allowed_validation_status,
      minQualityScore: floor.min_eval_quality_score ?? null,
      minPassRate: floor.min_eval_pass_rate ?? null,
      maxAgeDays: floor.max_eval_age_days ?? null,
    },
    serveExpired: config.expiry.on_expired === "warn",
    warnDays: config.expiry.warn_days,
    reported: {
      workload: config.reporting.expose_workload_labels ? config.intended_workloads.join(",") : "",
      bucket: config.reporting.expose_quality_floor_bucket ? floorBucket(floor) : "",
    },
    targets: targets
      ? {
        maxP95LatencyMs: targets.max_p95_latency_ms ?? null,
        minOutputTokensPerSec: targets.min_output_tokens_per_sec ?? null,
        maxErrorRate: targets.max_error_rate ?? null,
        maxTimeoutRate: targets.max_timeout_rate ?? null,
      }
      : null,
  };
}
