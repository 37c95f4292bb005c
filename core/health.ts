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

/** How an attempt ended; `null`: it reached the end, or says nothing about the target. */
export interface AttemptEnd {
  readonly probe: boolean;
  readonly error: UpstreamError | null;
  /** False for what the caller caused: it left, or its own deadline passed. */
  readonly counts: boolean;
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

/** What one process knows of its targets. State belongs to provider, model and dialect. */
export class Health {
  readonly #world: HealthWorld;
  readonly #targets = new Map<string, TargetHealth>();

  constructor(world: HealthWorld) {
    this.#world = world;
  }

  signals(target: Target): TargetSignals {
    const { now, clock, calibration } = this.#world;
    const { breaker, observations, backoff, inflight } = this.#of(target);
    const at = clock();
    const until = this.#backoffUntil(target, backoff, at);
    const shift = now() - at;
    return {
      ...observations.observed(at),
      inputTokenRatio: calibration.inputTokenRatio(target.key),
      inflight,
      breaker: breaker.state(at),
      breakerUntil: breaker.until === null ? null : Math.round(breaker.until + shift),
      backoffUntil: until === null ? null : Math.round(until + shift),
    };
  }

  /** Counts how an attempt went. */
  observe(target: Target, observation: Observation): void {
    this.#of(target).observations.add(observation, this.#world.clock());
  }

  /** Whether calls should go elsewhere now: its breaker is open, or its provider limits us. */
  isFailing(group: Group, target: Target): boolean {
    const health = this.#targets.get(target.key);
    if (!health) return false;
    const at = this.#world.clock();
    return this.#backoffUntil(target, health.backoff, at) !== null ||
      health.breaker.isBarred(group.breaker, at);
  }

  /** Whether nothing speaks against a target, nor is it being tried again. */
  isSound(target: Target): boolean {
    const { breaker, backoff } = this.#of(target);
    const at = this.#world.clock();
    return breaker.state(at) === "closed" && this.#backoffUntil(target, backoff, at) === null &&
      !this.#world.shapes.isProbeDue(target.trafficShapes);
  }

  /**
   * Time to the first content that 95 of 100 of a target's replies do not exceed, ms; `null` when none
   * was seen. A reply that is no stream has its content at its end.
   */
  slowMs(target: Target, stream: boolean): number | null {
    const { observations } = this.#of(target);
    const at = this.#world.clock();
    return stream ? observations.p95TtfbMs(at) : observations.observed(at).p95LatencyMs;
  }

  /**
   * Targets in their order, those that fail now behind the others. A half-open target keeps its place
   * while its probe is free; when all fail, the order stands.
   */
  readyFirst(group: Group, targets: readonly Target[]): readonly Target[] {
    if (targets.length === 1) return targets;
    const failing = targets.filter((target) => this.isFailing(group, target));
    if (failing.length === 0 || failing.length === targets.length) return targets;
    return [...targets.filter((target) => !failing.includes(target)), ...failing];
  }

  /** Begins an attempt; true when it is the probe of a half-open target. */
  begin(group: Group, target: Target): boolean {
    const health = this.#of(target);
    health.inflight += 1;
    return health.breaker.claimProbe(group.breaker, this.#world.clock());
  }

  end(group: Group, target: Target, { probe, error, counts }: AttemptEnd): void {
    const health = this.#of(target);
    health.inflight -= 1;
    if (counts) this.#count(health, { group, target, probe, error });
    if (probe) health.breaker.releaseProbe();
  }

  #count(
    { breaker, backoff }: TargetHealth,
    { group, target, probe, error }: Omit<AttemptEnd, "counts"> & {
      readonly group: Group;
      readonly target: Target;
    },
  ): void {
    const follow = error === null ? "success" : UPSTREAM_CLASSES[error.class].breaker;
    if (error !== null && follow === "backoff" && !backsOff(target.trafficShapes, error)) {
      this.#backOff(backoff, target, error);
    }
    if (follow === "success") backoff.step = 0;
    const { clock, random } = this.#world;
    const at = { options: group.breaker, now: clock(), random: random() };
    const change = breaker.record(follow === "backoff" ? "none" : follow, probe, at);
    if (change) this.#tell(target, change, error);
  }

  #of({ key }: Target): TargetHealth {
    let health = this.#targets.get(key);
    if (!health) this.#targets.set(key, health = newHealth());
    return health;
  }

  /** Monotonic ms; `null` when nothing keeps attempts away. */
  #backoffUntil({ trafficShapes }: Target, backoff: OwnBackoff, at: number): number | null {
    const own = backoff.until > at ? backoff.until : null;
    const until = trafficShapes.length === 0
      ? null
      : this.#world.shapes.backoffUntil(trafficShapes);
    return own === null || until === null ? own ?? until : Math.max(own, until);
  }

  /** The provider's wait, else doubling; spread upwards, so never earlier than asked. */
  #backOff(backoff: OwnBackoff, { provider, model }: Target, error: UpstreamError): void {
    const { clock, random, log } = this.#world;
    const { min, max } = error.class === "upstream_quota_exhausted"
      ? BACKOFF.upstream_quota_exhausted
      : BACKOFF.upstream_rate_limited;
    const asked = error.retryAfterMs ?? min * 2 ** backoff.step;
    const wait = Math.min(max, Math.max(min, asked));
    if (backoff.until <= clock()) {
      log.write("warn", "backoff_started", "Target is spared: its provider limits us", {
        provider: provider.name,
        model,
        error: error.class,
        wait_ms: Math.round(wait),
      });
    }
    backoff.until = Math.max(backoff.until, clock() + wait * (1 + 0.2 * random()));
    backoff.step = Math.min(backoff.step + 1, 16);
  }

  #tell(target: Target, change: "opened" | "closed", error: UpstreamError | null): void {
    const { log } = this.#world;
    const of = { provider: target.provider.name, model: target.model };
    if (change === "closed") return log.write("info", "breaker_closed", "Target serves again", of);
    const why = { error: error?.class, status: error?.status };
    log.write("warn", "breaker_opened", "Target is failing", { ...of, ...why });
  }
}

/** Backoff of a target without a traffic shape; `until` is monotonic ms. */
interface OwnBackoff {
  until: number;
  step: number;
}

interface TargetHealth {
  readonly breaker: Breaker;
  readonly observations: Observations;
  readonly backoff: OwnBackoff;
  inflight: number;
}

function newHealth(): TargetHealth {
  return {
    breaker: new Breaker(),
    observations: new Observations(),
    backoff: { until: 0, step: 0 },
    inflight: 0,
  };
}
