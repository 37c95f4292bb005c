import type { UpstreamError } from "../upstream_error.ts";
import { Backoff, type BackoffKind, type BackoffOptions } from "./backoff.ts";
import { type ShapeCharge, ShapeLevels, type ShapeSizes } from "./shape.ts";

/** Where a traffic shape stands; from the narrowest to the widest. */
export type ShapeScope = "target" | "model" | "provider";

/** A traffic shape that an attempt must pass. */
export interface UpstreamShape {
  readonly scope: ShapeScope;
  /** Key of its state: all that share the shape share it. */
  readonly id: string;
  readonly sizes: ShapeSizes;
  /** `null`: off. */
  readonly backoff: Readonly<Record<BackoffKind, BackoffOptions | null>>;
}

/** Why a target is not tried now. */
export interface Throttled {
  /** `provider-shape-throttled`, `adaptive-backoff-provider-429`, ... */
  readonly reason: string;
  readonly scope: ShapeScope;
  /** The bucket that is short; empty when it is a backoff. */
  readonly bucket: string;
  /** The kind of backoff; empty when it is a bucket. */
  readonly backoff: BackoffKind | "";
  readonly waitMs: number;
}

/** What a shape decided about an attempt, for the record of its call. */
export interface UpstreamShaping {
  readonly decision: "admitted" | "skipped" | "cooldown_started";
  readonly scope: ShapeScope;
  readonly bucket: string;
  readonly backoff: BackoffKind | "";
  /** ms */
  readonly retryAfterMs: number;
}

/** A backoff that an attempt began, or made longer. */
export interface Cooldown {
  readonly scope: ShapeScope;
  readonly backoff: BackoffKind;
  readonly waitMs: number;
  /** It was not cooling before. */
  readonly began: boolean;
}

/** What an attempt holds: the probes it is. */
export interface Pass {
  readonly probes: readonly Backoff[];
}

/** Clocks and luck: monotonic ms, and [0, 1). */
export interface ShapesWorld {
  clock(): number;
  random(): number;
  /** How many processes share the rates. */
  processes(): number;
}

const KINDS: readonly BackoffKind[] = ["429", "quota"];

/** Paces attempts by provider, model and target, for all callers of this process. */
export class UpstreamShapes {
  readonly #world: ShapesWorld;
  readonly #levels = new Map<string, ShapeLevels>();
  readonly #backoffs = new Map<string, Backoff>();

  constructor(world: ShapesWorld) {
    this.#world = world;
  }

  /** Takes what an attempt needs of every shape, or nothing. */
  enter(shapes: readonly UpstreamShape[], charge: ShapeCharge): Pass | Throttled {
    const at = { now: this.#world.clock(), processes: this.#world.processes() };
    const throttled = this.#throttled(shapes, charge, at);
    if (throttled !== null) return throttled;
    const probes: Backoff[] = [];
    for (const shape of shapes) {
      this.#levelsOf(shape).take(charge, shape.sizes, at);
      for (const kind of KINDS) {
        const backoff = this.#backoffs.get(`${kind} ${shape.id}`);
        if (backoff?.claim(at.now)) probes.push(backoff);
      }
    }
    return { probes };
  }

  /**
   * The end of an attempt: a refusal for a limit keeps others away, content lets them in again.
   *
   * @returns the backoff it set off; `null`: none
   */
  end(
    shapes: readonly UpstreamShape[],
    pass: Pass,
    attempt: {
      readonly startedAt: number;
      readonly error: UpstreamError | null;
      readonly reached: boolean;
    },
  ): Cooldown | null {
    const kind = kindOf(attempt.error);
    const shape = kind === null ? undefined : scopeOf(shapes, kind);
    const cooldown = kind === null || !shape ? null : this.#cool(shape, kind, attempt);
    for (const probe of pass.probes) probe.release(attempt.reached);
    return cooldown;
  }

  #cool(
    shape: UpstreamShape,
    kind: BackoffKind,
    { startedAt, error }: { readonly startedAt: number; readonly error: UpstreamError | null },
  ): Cooldown | null {
    const options = shape.backoff[kind];
    if (options === null) return null;
    const backoff = this.#backoffOf(shape, kind);
    const now = this.#world.clock();
    const began = backoff.until(now) === null;
    backoff.trigger(options, {
      now,
      startedAt,
      hintMs: error?.retryAfterMs ?? null,
      random: this.#world.random(),
    });
    return { scope: shape.scope, backoff: kind, waitMs: backoff.waitMs(options, now), began };
  }

  /** Until when attempts stay away, monotonic ms; `null` when they need not. */
  backoffUntil(shapes: readonly UpstreamShape[]): number | null {
    const now = this.#world.clock();
    const untils = shapes.flatMap(({ id }) =>
      KINDS.flatMap((kind) => this.#backoffs.get(`${kind} ${id}`)?.until(now) ?? [])
    );
    return untils.length === 0 ? null : Math.max(...untils);
  }

  /** Whether the next attempt would be the probe that ends a backoff. */
  isProbeDue(shapes: readonly UpstreamShape[]): boolean {
    const now = this.#world.clock();
    return shapes.some(({ id }) =>
      KINDS.some((kind) => this.#backoffs.get(`${kind} ${id}`)?.isProbeDue(now) === true)
    );
  }

  #throttled(
    shapes: readonly UpstreamShape[],
    charge: ShapeCharge,
    at: { readonly now: number; readonly processes: number },
  ): Throttled | null {
    let worst: Throttled | null = null;
    for (const shape of shapes) {
      for (const kind of KINDS) {
        const options = shape.backoff[kind];
        const waitMs = options === null ? 0 : this.#wait(shape, kind, options, at.now);
        if (waitMs > (worst?.waitMs ?? 0)) {
          const reason = `adaptive-backoff-provider-${kind}`;
          worst = { reason, scope: shape.scope, bucket: "", backoff: kind, waitMs };
        }
      }
      const shortage = this.#levelsOf(shape).shortage(charge, shape.sizes, at);
      if (shortage !== null && shortage.waitMs > (worst?.waitMs ?? 0)) {
        const { bucket, waitMs } = shortage;
        const reason = `${shape.scope}-shape-throttled`;
        worst = { reason, scope: shape.scope, bucket, backoff: "", waitMs };
      }
    }
    return worst;
  }

  #wait(shape: UpstreamShape, kind: BackoffKind, options: BackoffOptions, now: number): number {
    return this.#backoffs.get(`${kind} ${shape.id}`)?.waitMs(options, now) ?? 0;
  }

  #levelsOf({ id }: UpstreamShape): ShapeLevels {
    return this.#levels.getOrInsertComputed(id, () => new ShapeLevels());
  }

  #backoffOf({ id }: UpstreamShape, kind: BackoffKind): Backoff {
    return this.#backoffs.getOrInsertComputed(`${kind} ${id}`, () => new Backoff());
  }
}

function kindOf(error: UpstreamError | null): BackoffKind | null {
  if (error?.class === "upstream_rate_limited") return "429";
  return error?.class === "upstream_quota_exhausted" ? "quota" : null;
}

/** Whether a shape keeps attempts away after such an error. */
export function backsOff(shapes: readonly UpstreamShape[], error: UpstreamError): boolean {
  const kind = kindOf(error);
  return kind !== null && scopeOf(shapes, kind) !== undefined;
}

const ORDER: readonly ShapeScope[] = ["target", "model", "provider"];

/** A rate belongs to the narrowest scope that has the kind on; billing to the widest. */
function scopeOf(shapes: readonly UpstreamShape[], kind: BackoffKind): UpstreamShape | undefined {
  const able = shapes.filter(({ backoff }) => backoff[kind] !== null)
    .toSorted((a, b) => ORDER.indexOf(a.scope) - ORDER.indexOf(b.scope));
  return kind === "429" ? able[0] : able.at(-1);
}
