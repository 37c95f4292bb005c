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

/** A finding on a caller: when it fires, and the words for why. */
interface CallerRule {
  readonly finding: string;
  readonly lookAt: string;
  fires(traffic: CallerTraffic): boolean;
  because(traffic: CallerTraffic): string;
}

const CALLER_RULES: readonly CallerRule[] = [
  {
    finding: "enable_queue",
    lookAt: "traffic_shape.queue",
    fires: ({ calls, queued, rejected, retryAfterP50Ms }) =>
      queued === 0 && rejected >= 20 && rejected >= calls * 0.01 &&
      (retryAfterP50Ms ?? Infinity) <= 2_000,
    because: ({ calls, rejected, retryAfterP50Ms }) =>
      `${of(rejected, calls)} refused (1%, 20), retry after p50 ${retryAfterP50Ms} ms (2,000), ` +
      "and nobody queued",
  },
  {
    finding: "increase_queue_depth",
    lookAt: "traffic_shape.queue.max_depth",
    fires: ({ calls, queued, queueFull, waitP95Ms, longestWaitMs }) =>
      queued > 0 && queueFull > 0 && queueFull >= calls * 0.005 &&
      (waitP95Ms ?? 0) < longestWaitMs / 2,
    because: ({ calls, queueFull, waitP95Ms, longestWaitMs }) =>
      `${
        of(queueFull, calls)
      } found the queue full (0.5%), wait p95 ${waitP95Ms} ms (half of the ` +
      `longest, ${longestWaitMs} ms)`,
  },
  {
    finding: "increase_caller_burst",
    lookAt: "traffic_shape.*_burst",
    fires: ({ calls, queued, waitP95Ms, attempts, upstream429 }) =>
      queued >= calls * 0.1 && (waitP95Ms ?? 0) >= 250 && rate(upstream429, attempts) < 0.01,
    because: ({ calls, queued, waitP95Ms, attempts, upstream429 }) =>
      `${of(queued, calls)} queued (10%), wait p95 ${waitP95Ms} ms (250), ` +
      `${of(upstream429, attempts)} attempts got 429 (1%)`,
  },
  {
    finding: "disable_queue_for_latency_sensitive_client",
    lookAt: "the caller's traffic_shape.queue.enabled",
    fires: ({ calls, queued, queuedLeft, unqueuedLeft }) =>
      queued > 0 && rate(queuedLeft, queued) >= 0.05 &&
      rate(queuedLeft, queued) >= 2 * rate(unqueuedLeft, calls - queued),
    because: ({ calls, queued, queuedLeft, unqueuedLeft }) =>
      `${of(queuedLeft, queued)} of the queued calls were left (5%), ` +
      `${of(unqueuedLeft, calls - queued)} of the others`,
  },
];

function adviseCaller(traffic: CallerTraffic): Finding[] {
  return CALLER_RULES.filter(({ fires }) => fires(traffic)).map((
    { finding, lookAt, because },
  ) => ({ finding, subject: traffic.caller, because: because(traffic), lookAt }));
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
