import type { Problem } from "../core/config/problem.ts";
import { createDeadlines } from "../core/deadlines.ts";
import type { Log } from "../core/log.ts";
import type {
  FeedbackCounts,
  PolicyBundle,
  PolicyGroup,
  PolicyHostSettings,
  PolicyRunner,
} from "../core/policy_runner.ts";
import { type PolicyStanding, type PolicyState, worstState } from "../core/policy_standing.ts";
import type { OpenSpool } from "../core/spool.ts";
import {
  type Asking,
  type PolicyVerdict,
  type RouteContext,
  UNAVAILABLE,
} from "../core/strategy.ts";
import type { ExternalPolicies } from "./external/external_policies.ts";
import type { ScriptRunner } from "./sandbox/runner.ts";

/** What a runner needs; `clock` is monotonic ms, `now` epoch ms. */
export interface RunnerOptions {
  readonly log: Log;
  clock(): number;
  now(): number;
}

/**
 * Builds the runner of all policies of a gateway: those in the sandbox, and those of other servers.
 * The code of either is loaded with the first policy of its kind.
 */
export function createPolicyRunner(options: RunnerOptions): PolicyRunner {
  return new BothRunners(options);
}

class BothRunners implements PolicyRunner {
  readonly #options: RunnerOptions;
  #loadingScripts: Promise<ScriptRunner> | null = null;
  #scripts: ScriptRunner | null = null;
  #loadingExternal: Promise<ExternalPolicies> | null = null;
  #external: ExternalPolicies | null = null;
  #spools: OpenSpool | null = null;

  constructor(options: RunnerOptions) {
    this.#options = options;
  }

  decide(group: string, context: RouteContext, asking: Asking): Promise<PolicyVerdict> {
    return this.#external?.get(group)?.decide(context, asking) ??
      this.#scripts?.decide(group, context, asking) ?? Promise.resolve(UNAVAILABLE);
  }

  async prepare(
    groups: Iterable<PolicyGroup>,
    settings: PolicyHostSettings,
  ): Promise<readonly Problem[]> {
    const all = [...groups];
    const kinds = new Set(all.map(({ policy }) => policy?.kind));
    if (kinds.has("external")) {
      this.#external = await (this.#loadingExternal ??= this.#loadExternal());
    }
    if (kinds.has("script")) this.#scripts = await (this.#loadingScripts ??= this.#loadScripts());
    return await this.#scripts?.prepare(all, settings) ?? [];
  }

  adopt(groups: Iterable<PolicyGroup>, settings: PolicyHostSettings): void {
    const all = [...groups];
    this.#scripts?.adopt(all, settings);
    this.#external?.adopt(all);
  }

  standings(): readonly PolicyStanding[] {
    return this.#scripts?.standings() ?? [];
  }

  get reloads(): PolicyRunner["reloads"] {
    return this.#scripts?.reloads ?? NO_RELOADS;
  }

  resume(group: string): void {
    this.#scripts?.resume(group);
  }

  digestOf(group: string): string | null {
    return this.#scripts?.digestOf(group) ?? null;
  }

  bundleOf(digest: string): PolicyBundle | null {
    return this.#scripts?.bundleOf(digest) ?? null;
  }

  feed(group: string, line: string): void {
    this.#external?.feed(group, line);
  }

  deliver(open: OpenSpool): void {
    this.#spools = open;
    this.#external?.deliver(open);
  }

  get feedback(): FeedbackCounts {
    return this.#external?.feedback ?? NO_FEEDBACK;
  }

  get state(): PolicyState {
    return worstState([this.#scripts?.state, this.#external?.state]);
  }

  async close(): Promise<void> {
    this.#external?.close();
    await this.#scripts?.close();
  }

  async #loadScripts(): Promise<ScriptRunner> {
    const { createScriptRunner } = await import("./sandbox/runner.ts");
    return createScriptRunner(this.#options);
  }

  async #loadExternal(): Promise<ExternalPolicies> {
    const { ExternalPolicies } = await import("./external/external_policies.ts");
    const { log, clock, now } = this.#options;
    const deadlines = createDeadlines(clock);
    const external = new ExternalPolicies({ log, clock, now, random: Math.random, deadlines });
    if (this.#spools) external.deliver(this.#spools);
    return external;
  }
}

const NO_RELOADS = { applied: 0, refused: 0 };
const NO_FEEDBACK = { dropped: 0, waitingBytes: 0 };
