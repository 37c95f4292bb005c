import { z } from "zod";
import type { Registry } from "../registry.ts";
import type { Strategy } from "../strategy.ts";
import {
  block,
  choice,
  dialect,
  dur,
  filled,
  flag,
  list,
  ms,
  msOrP95,
  name,
  notYet,
  numeric,
  text,
  whole,
} from "./kinds.ts";
import {
  affinitySchema,
  budgetRuleSchema,
  contractSchema,
  rolloutSchema,
  shadowSchema,
} from "./schema_delivery.ts";
import { capabilityKeys, validationSchema } from "./schema_models.ts";

const target = block({
  provider: name().describe("key of `providers`"),
  model_ref: name().optional().describe("catalog model; exactly one of this and `model`"),
  model: filled().optional().describe("inline upstream id"),
  id: filled().max(300).optional()
    .describe("unique; unset: `<provider>/<ref or model>`, repeats `#2`"),
  weight: whole().default(1).describe("0 = never chosen first, last-resort fallback"),
  enabled: flag().default(true).describe("removed when false"),
  tool_only: flag().default(false).describe("only for calls with tools"),
  dialect: dialect().optional().describe("unset: the provider's"),
  timeout_ms: ms().optional().describe("limit of an attempt; unset: the group's"),
  tags: list(filled()).default([]).describe("labels"),
  display_name: text().optional().describe("label"),
  region: text().optional().describe("label"),
  validation: validationSchema.optional().describe("how the target was evaluated"),
  ...capabilityKeys,
});

/** A target, read. */
export type TargetConfig = z.infer<typeof target>;

const retry = block({
  max_attempts: whole().default(0).describe("0 = the whole plan"),
  total_deadline_ms: ms().optional()
    .describe("all attempts, from the first on; unset: `server.upstream.timeout_ms`"),
  jitter_base_ms: ms().default(50).describe("base of the wait before later retries"),
  jitter_max_ms: ms().default(1000).describe("longest wait before a retry"),
  budget_percent: numeric("pct", 0, 100).default(0)
    .describe("share of calls that may be retries; 0 = off"),
});

const hedge = block({
  enabled: flag().default(false).describe("whether a slow target gets another one beside it"),
  after_ms: msOrP95().default("p95")
    .describe("time without content; `p95`: the target's own 95th percentile"),
  max_percent: numeric("pct", 0, 100).default(5).describe("share of calls that may have one"),
  max_pressure: numeric("ratio", 0).default(0.8)
    .describe("none above this pressure on the caller's budget"),
});

const breaker = block({
  enabled: flag().default(true).describe("whether failing targets are put behind the others"),
  consecutive_failures: whole(1).default(5).describe("failures in a row that open it"),
  error_rate: numeric("ratio", 0, 1).default(0.5).describe("or: share of failures in the window"),
  min_requests: whole(1).default(20).describe("least calls in the window for that share"),
  window_ms: ms().default(30_000).describe("length of the window"),
  open_ms: ms().default(10_000).describe("how long it stays open at first"),
  multiplier: numeric("num", 1).default(2).describe("growth of that time"),
  max_open_ms: ms().default(300_000).describe("longest time open"),
  access_open_ms: ms().default(60_000).describe("time open after a refused credential"),
  half_open_probes: whole(1).default(1).describe("calls that try it again"),
});

const cache = block({
  enabled: flag().optional().describe("unset: `server.cache.enabled`"),
  scope: choice(["caller", "project", "group"]).optional()
    .describe("who shares an entry; unset: `server.cache.scope`"),
  ttl: dur().optional().describe("unset: `server.cache.default_ttl`"),
  require_zero_temperature: flag().default(true)
    .describe("only requests with `temperature: 0` are kept and answered"),
});

/** Keys that every model group has; `groupSchemaOf` adds those of the strategies. */
export const groupSchema = block({
  strategy: filled().default("weighted").describe("who is tried first, and who next"),
  base_strategy: filled().default("weighted")
    .describe("decides where a policy does not: `on_error: fallback`"),
  targets: list(target).describe("at least one enabled"),
  attempt_timeout_ms: ms().optional()
    .describe("unset: `server.upstream.default_attempt_timeout_ms`"),
  stream_idle_timeout_ms: ms().optional()
    .describe("unset: `server.upstream.stream_idle_timeout_ms`"),
  unknown_limits: choice(["allow", "reject"]).optional()
    .describe("unset: `server.eligibility.unknown_limits`"),
  cache: cache.prefault({}).describe("replies that are given again"),
  include_request: flag().default(false)
    .describe("policies see `text` and `request`, 262,144 bytes of both at most"),
  retry: retry.prefault({}).describe("how attempts follow one another"),
  hedge: hedge.prefault({}).describe("a second target beside one that is slow: the first serves"),
  breaker: breaker.prefault({}).describe("when a target counts as broken"),
  affinity: affinitySchema.prefault({}).describe("a conversation stays with its target"),
  budget_pressure: list(budgetRuleSchema).default([])
    .describe("what happens as a caller's limits are used up; the highest `at` reached holds"),
  contract: contractSchema.optional().describe("what the group promises of its targets"),
  rollout: rolloutSchema.optional()
    .describe("with `script` or `external`: the policy decides about a share of calls"),
  shadow: shadowSchema.optional()
    .describe("exactly one policy that decides about a sample of calls and serves none"),
}, [
  "content_capture",
  "pii_filter",
]);

/** A model group, read. */
export type GroupConfig = z.infer<typeof groupSchema>;

type Shape = Readonly<Record<string, z.ZodType>>;

/** The schema of a group that may name these strategies, with the keys they read. */
export function groupSchemaOf({ items, names }: Registry<Strategy>) {
  const own: Shape = Object.assign(
    {},
    ...items.map(({ options }) => optional(options.shape, items)),
  );
  const base = items.flatMap(({ name, policy }) => policy ? [] : [name]).sort();
  const { strategy, base_strategy, ...rest } = groupSchema.shape;
  return block({
    strategy: named(strategy, names),
    base_strategy: named(base_strategy, base),
    ...own,
    ...rest,
  }, notYet.get(groupSchema)?.keys);
}

/** The choice of a strategy, with the default and the description of the schema it narrows. */
function named(schema: z.ZodDefault<z.ZodString>, names: readonly string[]) {
  const [first = "", ...others] = names;
  return choice([first, ...others]).default(schema.parse(undefined))
    .describe(schema.description ?? "");
}

/** A group has the keys of the strategy it names only; whether one must be there, a check says. */
function optional(shape: z.ZodRawShape, strategies: readonly Strategy[]): Shape {
  return Object.fromEntries(
    Object.entries(shape).map(([key, schema]) => {
      const readers = strategies.filter(({ options }) => key in options.shape)
        .map(({ name }) => `\`${name}\``).join(", ");
      const description = `${descriptionOf(schema)}; read by ${readers}`;
      const inner = schema instanceof z.ZodDefault ? schema.unwrap() : schema;
      const stated = inner === schema ? {} : { default: z.parse(schema, undefined) };
      return [key, z.optional(inner).meta({ description, ...stated })];
    }),
  );
}

/** What `describe` said. */
export function descriptionOf(schema: z.core.$ZodType): string {
  return schema instanceof z.ZodType ? schema.description ?? "" : "";
}
