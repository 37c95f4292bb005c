import type { Arm } from "./decision.ts";
import type { Log } from "./log.ts";
import type { PolicyFault } from "./policy_fault.ts";
import { SlidingWindow } from "./sliding_window.ts";
import type { AutoRollback, Group } from "./snapshot.ts";
import type { StateStore } from "./state_store.ts";

/** How often the other processes are looked at, ms. */
const LOOK_MS = 1_000;
const SLICES = 10;

/** Faults of a policy that took too long: it stopped at its deadline, or was stopped after it. */
const TIMEOUTS: ReadonlySet<PolicyFault> = new Set(["policy-timeout", "policy-killed"]);

/** What became of one call, as far as a rollout cares. */
export interface ArmCall {
  readonly fault: PolicyFault | null;
  readonly failed: boolean;
  /** `null`: unknown. */
  readonly costNusd: number | null;
}

/** What the arms of a group did in a part of the window. */
interface Tally {
  decisions: number;
  faults: number;
  timeouts: number;
  failed: number;
  costNusd: number;
  priced: number;
}

type Arms = Readonly<Record<Arm, Tally>>;

/** What is counted and what a rollback holds for: another bundle or another block begins anew. */
interface Subject {
  readonly digest: string | null;
  readonly block: string;
}

/** A rollback, and whether the other processes can know of it. */
type KnownRollback = Subject & { stored: boolean };

/** What was counted of one subject. */
interface Counted {
  readonly of: Subject;
  readonly window: SlidingWindow<Arms>;
}

/** How a rollout stands: as `pointsman_rollout_state` says it. */
export type RolloutState = "active" | "rolled-back";

/** What the guard needs; `clock` is monotonic ms. */
export interface GuardWorld {
  readonly state: StateStore;
  readonly log: Log;
  clock(): number;
  /** The groups in force. */
  groups(): Iterable<Group>;
  digestOf(group: string): string | null;
}

/** Name under which a group's rollback is kept; who deletes it resumes the rollout. */
export function rollbackKey(group: string): string {
  return `rollback ${group}`;
}

/** Watches the new arms of rollouts, and takes groups back to their base when one does badly. */
export class RolloutGuard implements Disposable {
  readonly #world: GuardWorld;
  readonly #counted = new Map<string, Counted>();
  readonly #rollbacks = new Map<string, KnownRollback>();
  readonly #timer: ReturnType<typeof setInterval>;
  /** Whether it was read what other processes, and the last ones, did. */
  #known = false;

  constructor(world: GuardWorld) {
    this.#world = world;
    this.#timer = setInterval(() => void this.look(), LOOK_MS);
    Deno.unrefTimer(this.#timer);
    void this.look();
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }

  /** Whether a group's calls go to its base alone; they do until that is known. */
  isRolledBack(group: Group): boolean {
    if (!this.#known && group.rollout?.autoRollback) return true;
    const found = this.#rollbacks.get(group.name);
    return found !== undefined && isSame(found, this.#subjectOf(group));
  }

  stateOf(group: Group): RolloutState {
    return this.isRolledBack(group) ? "rolled-back" : "active";
  }

  /** Counts a call that ended, and rolls back when it was one too many. */
  count(group: Group, arm: Arm, { fault, failed, costNusd }: ArmCall): void {
    const limits = group.rollout?.autoRollback;
    if (!limits || this.isRolledBack(group)) return;
    const window = this.#windowOf(group);
    const now = this.#world.clock();
    const tally = window.current(limits.windowMs, now)[arm];
    tally.decisions += 1;
    if (fault !== null) tally.faults += 1;
    if (fault !== null && TIMEOUTS.has(fault)) tally.timeouts += 1;
    if (failed) tally.failed += 1;
    if (costNusd !== null) {
      tally.priced += 1;
      tally.costNusd += costNusd;
    }
    const reason = breach(window.counts(limits.windowMs, now), limits);
    if (reason !== null) this.#rollBack(group, reason);
  }

  /** Learns what other processes, or an operator, did; never throws. */
  async look(): Promise<void> {
    try {
      for (const group of this.#world.groups()) {
        if (!group.rollout?.autoRollback) continue;
        await this.#lookAt(group);
      }
      this.#known = true;
    } catch {
      // A store that is out of reach changes nothing: what is known holds.
    }
  }

  async #lookAt(group: Group): Promise<void> {
    const { name } = group;
    const known = this.#rollbacks.get(name);
    const told = known === undefined || known.stored;
    const stored = await this.#world.state.get(rollbackKey(name));
    // What was read says nothing of a rollback that came while it was.
    if (this.#rollbacks.get(name) !== known) return;
    const found = isRollback(stored) ? stored : null;
    const isNews = !told && isSame(known, this.#subjectOf(group)) &&
      !(found && isSame(found, known));
    if (isNews) await this.#store(group, known).catch(() => {});
    else if (found) this.#rollbacks.set(name, { ...found, stored: true });
    else if (known) this.#resume(name);
  }

  #resume(name: string): void {
    this.#rollbacks.delete(name);
    this.#counted.delete(name);
  }

  #subjectOf({ name, rollout }: Group): Subject {
    return { digest: this.#world.digestOf(name), block: rollout?.block ?? "" };
  }

  #windowOf(group: Group): SlidingWindow<Arms> {
    const of = this.#subjectOf(group);
    const counted = this.#counted.get(group.name);
    if (counted && isSame(counted.of, of)) return counted.window;
    const window = new SlidingWindow(SLICES, () => ({ base: emptyTally(), rollout: emptyTally() }));
    this.#counted.set(group.name, { of, window });
    return window;
  }

  #rollBack(group: Group, reason: string): void {
    const { log } = this.#world;
    const { name } = group;
    const rollback = this.#subjectOf(group);
    const known = { ...rollback, stored: false };
    this.#rollbacks.set(name, known);
    this.#counted.delete(name);
    log.write("error", "rollout_rolled_back", "A rollout is taken back to its base", {
      group: name,
      policy: rollback.digest?.slice(0, 12),
      reason,
    });
    this.#store(group, known).catch(() => {
      const path = `models.${name}.rollout`;
      const words = "Cannot tell other processes of a rollback: it is tried again";
      log.write("warn", "config_warning", words, { path });
    });
  }

  /** Makes a rollback known to all; one that answers for what was changed since is forgotten. */
  async #store(group: Group, known: KnownRollback): Promise<void> {
    const { digest, block } = known;
    if (!isSame(known, this.#subjectOf(group))) return this.#resume(group.name);
    await this.#world.state.set(rollbackKey(group.name), { digest, block });
    known.stored = true;
  }
}

/** Which limit the new arm broke; `null`: none, or too few decisions to tell. */
function breach(arms: readonly Arms[], limits: AutoRollback): string | null {
  const fresh = sum(arms.map(({ rollout }) => rollout));
  if (fresh.decisions < limits.minDecisions) return null;
  if (fresh.faults / fresh.decisions > limits.maxErrorRate) return "max_error_rate";
  if (fresh.timeouts / fresh.decisions > limits.maxTimeoutRate) return "max_timeout_rate";
  const base = sum(arms.map(({ base }) => base));
  if (base.decisions < limits.minDecisions) return null;
  // A base without a failure is no better than one whose next call may fail.
  const failing = Math.max(1, base.failed) / base.decisions;
  if (isAbove(fresh.failed / fresh.decisions, failing, limits.maxFailedCallRatio)) {
    return "max_failed_call_ratio";
  }
  if (fresh.priced === 0 || base.priced === 0) return null;
  const cost = ({ costNusd, priced }: Tally) => costNusd / priced;
  return isAbove(cost(fresh), cost(base), limits.maxCostRatio) ? "max_cost_ratio" : null;
}

function isAbove(fresh: number, base: number, ratio: number | null): boolean {
  return ratio !== null && fresh > ratio * base;
}

function emptyTally(): Tally {
  return { decisions: 0, faults: 0, timeouts: 0, failed: 0, costNusd: 0, priced: 0 };
}

function sum(tallies: readonly Tally[]): Tally {
  const total = emptyTally();
  for (const tally of tallies) {
    total.decisions += tally.decisions;
    total.faults += tally.faults;
    total.timeouts += tally.timeouts;
    total.failed += tally.failed;
    total.costNusd += tally.costNusd;
    total.priced += tally.priced;
  }
  return total;
}

function isSame(first: Subject, second: Subject): boolean {
  return first.digest === second.digest && first.block === second.block;
}

function isRollback(value: unknown): value is Subject {
  return typeof value === "object" && value !== null && "digest" in value && "block" in value;
}
