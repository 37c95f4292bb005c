import type { Plan, RouteContext } from "../../core/strategy.ts";

const MAX_ENTRIES = 10_000;

interface Entry {
  readonly plan: Plan;
  readonly until: number;
}

/** Plans of a policy, by conversation and eligible targets. All times are ms of one monotonic clock. */
export class VerdictCache {
  readonly #ttlMs: number;
  readonly #entries = new Map<string, Entry>();

  /** @param ttlMs 0: nothing is kept */
  constructor(ttlMs: number) {
    this.#ttlMs = ttlMs;
  }

  /** What was decided for the same conversation and targets; `null`: nothing that still holds. */
  get(context: RouteContext, now: number): Plan | null {
    const key = this.#keyOf(context);
    const entry = key === null ? undefined : this.#entries.get(key);
    return entry && entry.until > now ? entry.plan : null;
  }

  /** Keeps a plan; when there are too many, the oldest goes. */
  set(context: RouteContext, plan: Plan, now: number): void {
    const key = this.#keyOf(context);
    if (key === null) return;
    this.#entries.delete(key);
    this.#entries.set(key, { plan, until: now + this.#ttlMs });
    if (this.#entries.size <= MAX_ENTRIES) return;
    for (const oldest of this.#entries.keys()) return void this.#entries.delete(oldest);
  }

  #keyOf({ conversationKey, targets }: RouteContext): string | null {
    if (this.#ttlMs === 0 || conversationKey === null) return null;
    return [conversationKey, ...targets.map(({ id }) => id)].join("\n");
  }
}
