import type { ListedModel, ListedReasoning } from "../listed_model.ts";
import type { Group, Provider, Target } from "../snapshot.ts";
import { fingerprint } from "./canonical.ts";
import { type CompiledTarget, compileTarget } from "./compile_target.ts";
import type { CompileFacts } from "./parts.ts";
import type { Config } from "./schema.ts";
import type { GroupConfig, TargetConfig } from "./schema_groups.ts";

/** Turns a group as written into one that calls can use. */
export function compileGroup(
  name: string,
  config: Config,
  providers: ReadonlyMap<string, Provider>,
  facts: CompileFacts,
): Group {
  const group = config.models[name]!;
  const { upstream, eligibility } = config.server;
  const compiled = compileTargets(name, config, providers);
  const targets = compiled.map(({ target }) => target);
  const strategy = facts.strategies.get(group.strategy);
  const settings = {
    name,
    strategy: group.strategy,
    targets,
    attemptTimeoutMs: group.attempt_timeout_ms ?? upstream.default_attempt_timeout_ms,
    streamIdleTimeoutMs: group.stream_idle_timeout_ms ?? upstream.stream_idle_timeout_ms,
    unknownLimits: group.unknown_limits ?? eligibility.unknown_limits,
    retry: retry(group, upstream.timeout_ms),
    breaker: breaker(group),
    cache: cacheOf(group, config),
    estimates: {
      imageTokens: Math.max(...compiled.map(({ imageTokens }) => imageTokens)),
      defaultOutputTokens: Math.max(...targets.map((target) => target.defaultOutputTokens)),
    },
  };
  return {
    ...settings,
    decide: strategy.create(strategy.options.parse({})),
    listed: listed(name, targets, facts.now),
    fingerprint: fingerprint({ ...settings, targets: targets.map(withoutSecrets) }),
  };
}

/** A target's settings; of its provider only what is no secret. */
export function withoutSecrets(target: Target): unknown {
  const { provider, ...settings } = target;
  const { credential, headers, ...open } = provider;
  return {
    ...settings,
    provider: { ...open, credential: credential?.[0] ?? null, headers: Object.keys(headers) },
  };
}

function compileTargets(
  name: string,
  config: Config,
  providers: ReadonlyMap<string, Provider>,
): readonly CompiledTarget[] {
  const group = config.models[name]!;
  const ids = targetIds(group.targets);
  return group.targets.flatMap((target, groupIndex) => {
    if (!target.enabled) return [];
    const models = config.providers[target.provider]?.models;
    return [compileTarget(target, {
      group: name,
      groupIndex,
      id: ids[groupIndex]!,
      provider: providers.get(target.provider)!,
      catalog: target.model_ref === undefined ? null : models?.[target.model_ref] ?? null,
    })];
  });
}

/** Ids as written, else `<provider>/<ref or model>`, with `#2` and so on where one is taken. */
function targetIds(targets: readonly TargetConfig[]): readonly string[] {
  const taken = new Set(targets.flatMap(({ id }) => id ?? []));
  return targets.map((target) => {
    if (target.id !== undefined) return target.id;
    const base = `${target.provider}/${target.model_ref ?? target.model}`;
    let id = base;
    for (let repeat = 2; taken.has(id); repeat++) id = `${base}#${repeat}`;
    taken.add(id);
    return id;
  });
}

function cacheOf({ cache }: GroupConfig, { server }: Config): Group["cache"] {
  return {
    enabled: server.cache.enabled && (cache.enabled ?? true),
    scope: cache.scope ?? server.cache.scope,
    ttlMs: cache.ttl ?? server.cache.default_ttl,
    requireZeroTemperature: cache.require_zero_temperature,
  };
}

function retry({ retry }: GroupConfig, totalDeadlineMs: number): Group["retry"] {
  return {
    maxAttempts: retry.max_attempts,
    totalDeadlineMs: retry.total_deadline_ms ?? totalDeadlineMs,
    jitterBaseMs: retry.jitter_base_ms,
    jitterMaxMs: retry.jitter_max_ms,
    budgetPercent: retry.budget_percent,
  };
}

function breaker({ breaker }: GroupConfig): Group["breaker"] {
  return {
    enabled: breaker.enabled,
    consecutiveFailures: breaker.consecutive_failures,
    errorRate: breaker.error_rate,
    minRequests: breaker.min_requests,
    windowMs: breaker.window_ms,
    openMs: breaker.open_ms,
    multiplier: breaker.multiplier,
    maxOpenMs: breaker.max_open_ms,
    accessOpenMs: breaker.access_open_ms,
    halfOpenProbes: breaker.half_open_probes,
  };
}

function listed(name: string, targets: readonly Target[], now: number): ListedModel {
  const contexts = targets.flatMap(({ contextTokens }) => contextTokens ?? []);
  const caps = targets.flatMap(({ shape }) => shape.maxRequestedOutputTokens ?? []);
  return {
    id: name,
    created: Math.floor(now / 1000),
    displayName: name,
    contextTokens: contexts.length > 0 ? Math.min(...contexts) : null,
    maxOutputTokens: caps.length > 0 ? Math.max(...caps) : null,
    reasoning: listedReasoning(targets),
  };
}

function listedReasoning(targets: readonly Target[]): ListedReasoning | null {
  const able = targets.filter(({ reasoning }) => reasoning.supported);
  if (able.length === 0) return null;
  const known = ["minimal", "low", "medium", "high", "xhigh"];
  const efforts = known.filter((effort) =>
    able.some(({ reasoning }) => reasoning.efforts.includes(effort))
  );
  return {
    efforts,
    defaultEffort: efforts.includes("medium") ? "medium" : efforts[0] ?? "medium",
    summaries: able.some(({ reasoning }) => reasoning.supportsSummaries),
  };
}
