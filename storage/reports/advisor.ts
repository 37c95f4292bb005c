/** How the calls of a caller went; times in ms, `null` where there were none. */
export interface CallerTraffic {
  readonly caller: string;
  readonly calls: number;
  readonly queued: number;
  readonly rejected: number;
  /** Refused at once though the queue is on. */
  readonly queueFull: number;
  readonly queuedLeft: number;
  readonly unqueuedLeft: number;
  readonly longestWaitMs: number;
  readonly waitP95Ms: number | null;
  readonly retryAfterP50Ms: number | null;
  readonly attempts: number;
  readonly upstream429: number;
}

/** How the attempts at a target went. */
export interface TargetTraffic {
  readonly group: string;
  readonly provider: string;
  readonly model: string;
  readonly attempts: number;
  readonly rateLimited: number;
  /** 400, 413 or 422. */
  readonly incompatible: number;
  readonly callers: ReadonlySet<string>;
}

/** What the traffic of a window suggests. */
export interface Finding {
  readonly finding: string;
  /** A caller, a provider or a target. */
  readonly subject: string;
  /** Why it fires, with the numbers. */
  readonly because: string;
  readonly lookAt: string;
}

/** A finding needs this many calls, or attempts. */
const LEAST_CALLS = 20;

/**
 * Judges the traffic of a window by fixed thresholds; the same traffic gives the same findings. Whether a
 * queue is on is read from what happened: somebody waited in it.
 */
export function advise(
  callers: readonly CallerTraffic[],
  targets: readonly TargetTraffic[],
): readonly Finding[] {
  const found = [
    ...callers.filter(({ calls }) => calls >= LEAST_CALLS).flatMap(adviseCaller),
    ...adviseProviders(targets),
    ...targets.flatMap((target) => adviseTarget(target, targets)),
  ];
  if (found.length > 0) return found;
  const because = "no threshold was passed";
  return [{ finding: "no_shaping_change_indicated", subject: "", because, lookAt: "" }];
}

function adviseCaller(traffic: CallerTraffic): Finding[] {
  const { caller: subject, calls, queued, rejected, queueFull, waitP95Ms, attempts } = traffic;
  const unqueued = calls - queued;
  const found: Finding[] = [];
  const { retryAfterP50Ms, upstream429, queuedLeft, unqueuedLeft, longestWaitMs } = traffic;
  if (
    queued === 0 && rejected >= 20 && rejected >= calls * 0.01 &&
    (retryAfterP50Ms ?? Infinity) <= 2_000
  ) {
    found.push({
      finding: "enable_queue",
      subject,
      because: `${of(rejected, calls)} refused (1%, 20), retry after p50 ${retryAfterP50Ms} ms ` +
        "(2,000), and nobody queued",
      lookAt: "traffic_shape.queue",
    });
  }
  if (
    queued > 0 && queueFull >= calls * 0.005 && queueFull > 0 &&
    (waitP95Ms ?? 0) < longestWaitMs / 2
  ) {
    found.push({
      finding: "increase_queue_depth",
      subject,
      because: `${of(queueFull, calls)} found the queue full (0.5%), wait p95 ${waitP95Ms} ms ` +
        `(half of the longest, ${longestWaitMs} ms)`,
      lookAt: "traffic_shape.queue.max_depth",
    });
  }
  if (
    queued >= calls * 0.1 && (waitP95Ms ?? 0) >= 250 && upstream429 < Math.max(1, attempts * 0.01)
  ) {
    found.push({
      finding: "increase_caller_burst",
      subject,
      because: `${of(queued, calls)} queued (10%), wait p95 ${waitP95Ms} ms (250), ` +
        `${of(upstream429, attempts)} upstream 429 (1%)`,
      lookAt: "traffic_shape.*_burst",
    });
  }
  const left = rate(queuedLeft, queued);
  if (queued > 0 && left >= 0.05 && left >= 2 * rate(unqueuedLeft, unqueued)) {
    found.push({
      finding: "disable_queue_for_latency_sensitive_client",
      subject,
      because: `${of(queuedLeft, queued)} of the queued calls were left (5%), ` +
        `${of(unqueuedLeft, unqueued)} of the others`,
      lookAt: "the caller's traffic_shape.queue.enabled",
    });
  }
  return found;
}

function adviseProviders(targets: readonly TargetTraffic[]): Finding[] {
  const byProvider = Map.groupBy(targets, ({ provider }) => provider);
  return [...byProvider].flatMap(([subject, list]) => {
    const attempts = sum(list, (target) => target.attempts);
    const rateLimited = sum(list, (target) => target.rateLimited);
    const callers = new Set(list.flatMap((target) => [...target.callers]));
    if (attempts < LEAST_CALLS || rateLimited < attempts * 0.02 || callers.size < 2) return [];
    return [{
      finding: "investigate_provider_429_capacity",
      subject,
      because: `${of(rateLimited, attempts)} attempts got 429 (2%), of ${callers.size} callers (2)`,
      lookAt: "the provider's traffic_shape",
    }];
  });
}

function adviseTarget(target: TargetTraffic, targets: readonly TargetTraffic[]): Finding[] {
  const { group, provider, model, attempts, incompatible } = target;
  if (attempts < LEAST_CALLS || incompatible < attempts * 0.05) return [];
  const sibling = targets.find((other) =>
    other !== target && other.group === group && other.attempts >= LEAST_CALLS &&
    rate(other.incompatible, other.attempts) < 0.01
  );
  if (!sibling) return [];
  return [{
    finding: "route_around_incompatible_target",
    subject: `${group}: ${provider}/${model}`,
    because: `${of(incompatible, attempts)} attempts got 400, 413 or 422 (5%), ` +
      `${of(sibling.incompatible, sibling.attempts)} at ${sibling.provider}/${sibling.model} (1%)`,
    lookAt: "the target's capabilities",
  }];
}

function rate(part: number, whole: number): number {
  return whole === 0 ? 0 : part / whole;
}

function of(part: number, whole: number): string {
  return `${part} of ${whole} (${(rate(part, whole) * 100).toFixed(1)}%)`;
}

function sum<Item>(items: readonly Item[], value: (item: Item) => number): number {
  return items.reduce((whole, item) => whole + value(item), 0);
}
