import { Breaker } from "./breaker.ts";
import type { Calibration } from "./calibration.ts";
import { backsOff, type UpstreamShapes } from "./limits/upstream_shapes.ts";
import type { Log } from "./log.ts";
import { type Observation, Observations } from "./observations.ts";
import type { Group, Target } from "./snapshot.ts";
import type { TargetSignals } from "./strategy.ts";
import { UPSTREAM_CLASSES, type UpstreamError } from "./upstream_error.ts";

/** Backoff of a target whose provider limits us, ms: the defaults of a traffic shape. */
const BACKOFF = {
  upstream_rate_limited: { min: 1_000, max: 60_000 },
  upstream_quota_exhausted: { min: 30_000, max: 300_000 },
} as const;

interface TargetHealth {
  readonly breaker: Breaker;
  readonly observations: Observations;
  inflight: number;
  backoffUntil: number;
  backoffStep: number;
}

/** How an attempt ended; `null`: it reached the end, or says nothing about the target. */
export interface AttemptEnd {
  readonly probe: boolean;
  readonly error: UpstreamError | null;
  /** False for what the caller caused: it left, or its own deadline passed. */
  readonly counts: boolean;
}

/** What one process knows of its targets. State belongs to provider, model and dialect. */
export interface Health {
  signals(target: Target): TargetSignals;
  /** Counts how an attempt went. */
  observe(target: Target, observation: Observation): void;
  /** Whether calls should go elsewhere now: its breaker is open, or its provider limits us. */
  isFailing(group: Group, target: Target): boolean;
  /** Whether nothing speaks against a target, nor is it being tried again. */
  isSound(target: Target): boolean;
  /**
   * Time to the first content that 95 of 100 of a target's replies do not exceed, ms; `null` when none
   * was seen. A reply that is no stream has its content at its end.
   */
  slowMs(target: Target, stream: boolean): number | null;
  /**
   * Targets in their order, those that fail now behind the others. A half-open target keeps its place
   * while its probe is free; when all fail, the order stands.
   */
  readyFirst(group: Group, targets: readonly Target[]): readonly Target[];
  /** Begins an attempt; true when it is the probe of a half-open target. */
  begin(group: Group, target: Target): boolean;
  end(group: Group, target: Target, attempt: AttemptEnd): void;
}

/** `now` is epoch ms, `clock` monotonic ms, `random` in [0, 1). */
export interface HealthWorld {
  now(): number;
  clock(): number;
  random(): number;
  /** Those that back off by themselves, so that it is not done here. */
  readonly shapes: Pick<UpstreamShapes, "backoffUntil" | "isProbeDue">;
  readonly calibration: Pick<Calibration, "inputTokenRatio">;
  readonly log: Log;
}

/** Builds the health of all targets, empty. */
export function createHealth(world: HealthWorld): Health {
  const { now, clock, random, calibration, log } = world;
  const targets = new Map<string, TargetHealth>();

  function of(target: Target): TargetHealth {
    let health = targets.get(target.key);
    if (!health) {
      health = {
        breaker: new Breaker(),
        observations: new Observations(),
        inflight: 0,
        backoffUntil: 0,
        backoffStep: 0,
      };
      targets.set(target.key, health);
    }
    return health;
  }

  function isFailing(group: Group, target: Target): boolean {
    const health = targets.get(target.key);
    if (!health) return false;
    const at = clock();
    return backoffUntil(target, health, at) !== null || health.breaker.isBarred(group.breaker, at);
  }

  /** Monotonic ms; `null` when nothing keeps attempts away. */
  function backoffUntil(
    { trafficShapes }: Target,
    health: TargetHealth,
    at: number,
  ): number | null {
    const own = health.backoffUntil > at ? health.backoffUntil : null;
    const until = trafficShapes.length === 0 ? null : world.shapes.backoffUntil(trafficShapes);
    return own === null || until === null ? own ?? until : Math.max(own, until);
  }

  /** The provider's wait, else doubling; spread upwards, so never earlier than asked. */
  function backOff(health: TargetHealth, target: Target, error: UpstreamError): void {
    const limits = error.class === "upstream_quota_exhausted"
      ? BACKOFF.upstream_quota_exhausted
      : BACKOFF.upstream_rate_limited;
    const asked = error.retryAfterMs ?? limits.min * 2 ** health.backoffStep;
    const wait = Math.min(limits.max, Math.max(limits.min, asked));
    if (health.backoffUntil <= clock()) {
      const { provider, model } = target;
      log.write("warn", "backoff_started", "Target is spared: its provider limits us", {
        provider: provider.name,
        model,
        error: error.class,
        wait_ms: Math.round(wait),
      });
    }
    health.backoffUntil = Math.max(health.backoffUntil, clock() + wait * (1 + 0.2 * random()));
    health.backoffStep = Math.min(health.backoffStep + 1, 16);
  }

  function tell(target: Target, change: "opened" | "closed", error: UpstreamError | null): void {
    const of = { provider: target.provider.name, model: target.model };
    if (change === "closed") return log.write("info", "breaker_closed", "Target serves again", of);
    const why = { error: error?.class, status: error?.status };
    log.write("warn", "breaker_opened", "Target is failing", { ...of, ...why });
  }

  return {
    signals(target) {
      const health = of(target);
      const { breaker, observations, inflight } = health;
      const at = clock();
      const until = backoffUntil(target, health, at);
      const shift = now() - at;
      return {
        ...observations.observed(at),
        inputTokenRatio: calibration.inputTokenRatio(target.key),
        inflight,
        breaker: breaker.state(at),
        breakerUntil: breaker.until === null ? null : Math.round(breaker.until + shift),
        backoffUntil: until === null ? null : Math.round(until + shift),
      };
    },
    isFailing,
    isSound(target) {
      const health = of(target);
      const at = clock();
      return health.breaker.state(at) === "closed" && backoffUntil(target, health, at) === null &&
        !world.shapes.isProbeDue(target.trafficShapes);
    },
    slowMs(target, stream) {
      const { observations } = of(target);
      return stream ? observations.p95TtfbMs(clock()) : observations.observed(clock()).p95LatencyMs;
    },
    observe: (target, observation) => of(target).observations.add(observation, clock()),
    readyFirst(group, plan) {
      if (plan.length === 1) return plan;
      const failing = plan.filter((target) => isFailing(group, target));
      if (failing.length === 0 || failing.length === plan.length) return plan;
      return [...plan.filter((target) => !failing.includes(target)), ...failing];
    },
    begin(group, target) {
      const health = of(target);
      health.inflight += 1;
      return health.breaker.claimProbe(group.breaker, clock());
    },
    end(group, target, { probe, error, counts }) {
      const health = of(target);
      health.inflight -= 1;
      if (!counts) return release(health, probe);
      const follow = error === null ? "success" : UPSTREAM_CLASSES[error.class].breaker;
      if (error !== null && follow === "backoff" && !backsOff(target.trafficShapes, error)) {
        backOff(health, target, error);
      }
      if (follow === "success") health.backoffStep = 0;
      const outcome = follow === "backoff" ? "none" : follow;
      const at = { options: group.breaker, now: clock(), random: random() };
      const change = health.breaker.record(outcome, probe, at);
      release(health, probe);
      if (change) tell(target, change, error);
    },
  };
}

function release(health: TargetHealth, probe: boolean): void {
  if (probe) health.breaker.releaseProbe();
}
