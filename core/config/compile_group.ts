import { isObject } from "../json.ts";
import { listModel } from "../list_models.ts";
import type { ListedName } from "../listed_model.ts";
import type { Group, Provider, Target } from "../snapshot.ts";
import type { Decide, Decider, Strategy, StrategyServices } from "../strategy.ts";
import { fingerprint } from "./canonical.ts";
import { compileDelivery, rolloutOf, shadowOf } from "./compile_delivery.ts";
import { compileSide, type SidePurpose } from "./compile_side.ts";
import { type CompiledTarget, compileTarget } from "./compile_target.ts";
import type { CompileFacts } from "./parts.ts";
import type { Config } from "./schema.ts";
import type { SideConfig } from "./schema_delivery.ts";
import type { GroupConfig, TargetConfig } from "./schema_groups.ts";

/** A policy whose mode is to be a shadow sees what it would decide. */
const EVERY_CALL = { sample_percent: 100, max_queue: 256 };

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
  const { strategy, options } = strategyOf(group.strategy, group, facts);
  const base = baseOf(name, group, facts);
  const decider = deciderOf(strategy, options, {
    group: name,
    policies: facts.policies ?? null,
    base: base.decide,
  });
  const policy = strategy.policy?.(options, facts.folder) ?? null;
  const side = (purpose: SidePurpose, written: SideConfig) =>
    compileSide(purpose, written, { name, group, base: base.decide, facts });
  const beside = strategy.shadow?.(options) ?? null;
  const rollout = group.rollout
    ? rolloutOf(group.rollout, side("base", group.rollout.base ?? {}))
    : null;
  const shadow = beside
    ? shadowOf(EVERY_CALL, side("shadow", { external: beside }))
    : shadowOf(group.shadow, side("shadow", group.shadow ?? {}));
  const policies = [policy, rollout?.base?.policy, shadow?.policy];
  const settings = {
    name,
    includeRequest: group.include_request ||
      policies.some((one) => one?.kind === "external" && one.includeRequest),
    strategy: group.strategy,
    options: strategy.recorded ? strategy.recorded(options) : options,
    targets,
    attemptTimeoutMs: group.attempt_timeout_ms ?? upstream.default_attempt_timeout_ms,
    streamIdleTimeoutMs: group.stream_idle_timeout_ms ?? upstream.stream_idle_timeout_ms,
    unknownLimits: group.unknown_limits ?? eligibility.unknown_limits,
    retry: retry(group, upstream.timeout_ms),
    hedge: hedge(group),
    breaker: breaker(group),
    ...compileDelivery(group),
    rollout,
    shadow,
    cache: cacheOf(group, config),
    estimates: {
      imageTokens: Math.max(...compiled.map(({ imageTokens }) => imageTokens)),
      defaultOutputTokens: Math.max(...targets.map((target) => target.defaultOutputTokens)),
    },
  };
  return {
    ...settings,
    ...decider,
    base,
    choice: {
      strategy: strategy.name,
      options: strategy.policy ? null : options,
      base: {
        strategy: group.base_strategy,
        options: strategyOf(group.base_strategy, group, facts).options,
      },
      fallsBack: fallsBack(options),
    },
    policy,
    listed: listModel(listedName(name, group, facts.now), targets),
    fingerprint: fingerprint({ ...settings, targets: targets.map(withoutSecrets) }),
  };
}

function listedName(id: string, { contract }: GroupConfig, now: number): ListedName {
  return {
    id,
    created: Math.floor(now / 1000),
    displayName: contract?.display_name ?? id,
    notes: contract?.caller_visible_notes ?? null,
  };
}

/** A strategy, and the keys of the group that belong to it as its own schema reads them. */
function strategyOf(name: string, group: GroupConfig, { strategies }: CompileFacts) {
  const strategy = strategies.get(name);
  const own = Object.entries(group).filter(([key, value]) =>
    key in strategy.options.shape && value !== undefined
  );
  return { strategy, options: strategy.options.parse(Object.fromEntries(own)) };
}

/** Whether the options say what to do about a policy that fails, wherever they do. */
function fallsBack(options: unknown): boolean {
  return isObject(options) &&
    (options["on_error"] === "fallback" || Object.values(options).some(fallsBack));
}

/** What decides where the group's strategy does not; it has no base of its own. */
function baseOf(name: string, group: GroupConfig, facts: CompileFacts): Decider {
  const { strategy, options } = strategyOf(group.base_strategy, group, facts);
  const base: Decide = () => ({ targetIndex: 0 });
  return deciderOf(strategy, options, { group: name, policies: null, base });
}

function deciderOf(strategy: Strategy, options: unknown, services: StrategyServices): Decider {
  return {
    decide: strategy.create(options, services),
    findings: strategy.findings?.(options) ?? null,
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

function hedge({ hedge }: GroupConfig): Group["hedge"] {
  if (!hedge.enabled) return null;
  return {
    afterMs: hedge.after_ms === "p95" ? null : hedge.after_ms,
    maxPercent: hedge.max_percent,
    maxPressure: hedge.max_pressure,
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
