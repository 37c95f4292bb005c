import { createDeadlines } from "../core/deadlines.ts";
import type { ResolveHost } from "../core/egress_client.ts";
import type { Log } from "../core/log.ts";
import type { PolicyGroup, PolicyRunner } from "../core/policy_runner.ts";
import type { ExternalPolicySettings } from "../core/policy_settings.ts";
import type { PolicyState } from "../core/policy_standing.ts";
import { ExternalPolicy, type ExternalPolicyWorld } from "./external/external_policy.ts";
import { createScriptRunner } from "./sandbox/runner.ts";

/** What a runner needs. */
export interface RunnerOptions {
  readonly log: Log;
  /** Monotonic ms. */
  clock(): number;
  /** Finds the addresses of policies' servers; the system's way, unless given. */
  readonly resolve?: ResolveHost;
}

/** Builds the runner of all policies of a gateway: those in the sandbox, and those of other servers. */
export function createPolicyRunner({ log, clock, resolve }: RunnerOptions): PolicyRunner {
  const scripts = createScriptRunner({ log, clock });
  const world = { log, clock, random: Math.random, deadlines: createDeadlines(clock), resolve };
  const external = new Map<string, ExternalPolicy>();
  return {
    decide(group, context, asking) {
      const decider = external.get(group);
      return decider ? decider.decide(context, asking) : scripts.decide(group, context, asking);
    },
    prepare: (groups, settings) => scripts.prepare(groups, settings),
    adopt(groups, settings) {
      const all = [...groups];
      scripts.adopt(all, settings);
      adoptExternal(external, all, world);
    },
    standings: () => scripts.standings(),
    reloads: scripts.reloads,
    resume: (group) => scripts.resume(group),
    digestOf: (group) => scripts.digestOf(group),
    get state() {
      const states = [scripts.state, ...[...external.values()].map(({ state }) => state)];
      return STATES.find((state) => states.includes(state)) ?? "ok";
    },
    async close() {
      for (const policy of external.values()) policy.close();
      external.clear();
      await scripts.close();
    },
  };
}

/** From the worst. */
const STATES: readonly PolicyState[] = ["quarantined", "unavailable"];

/** A policy whose settings are the same keeps its connections and what is known of it. */
function adoptExternal(
  policies: Map<string, ExternalPolicy>,
  groups: readonly PolicyGroup[],
  world: ExternalPolicyWorld,
): void {
  const asked = new Map(
    groups.flatMap(({ name, policy }) =>
      policy?.kind === "external" ? [[name, policy] as const] : []
    ),
  );
  for (const [name, policy] of policies) {
    const settings = asked.get(name);
    if (settings && isSame(settings, policy.settings)) asked.delete(name);
    else {
      policies.delete(name);
      policy.close();
    }
  }
  for (const [name, settings] of asked) {
    policies.set(name, new ExternalPolicy(name, settings, world));
  }
}

function isSame(first: ExternalPolicySettings, second: ExternalPolicySettings): boolean {
  return JSON.stringify(first) === JSON.stringify(second);
}
