import { createDeadlines } from "../core/deadlines.ts";
import type { ResolveHost } from "../core/egress_client.ts";
import type { Log } from "../core/log.ts";
import type { PolicyRunner } from "../core/policy_runner.ts";
import type { PolicyState } from "../core/policy_standing.ts";
import { ExternalPolicies } from "./external/external_policies.ts";
import { createScriptRunner } from "./sandbox/runner.ts";

/** What a runner needs; `clock` is monotonic ms, `now` epoch ms. */
export interface RunnerOptions {
  readonly log: Log;
  clock(): number;
  now(): number;
  /** Finds the addresses of policies' servers; the system's way, unless given. */
  readonly resolve?: ResolveHost;
}

/** Builds the runner of all policies of a gateway: those in the sandbox, and those of other servers. */
export function createPolicyRunner({ log, clock, now, resolve }: RunnerOptions): PolicyRunner {
  const scripts = createScriptRunner({ log, clock, resolve });
  const deadlines = createDeadlines(clock);
  const external = new ExternalPolicies({
    log,
    clock,
    now,
    random: Math.random,
    deadlines,
    resolve,
  });
  return {
    decide: (group, context, asking) =>
      external.get(group)?.decide(context, asking) ?? scripts.decide(group, context, asking),
    prepare: (groups, settings) => scripts.prepare(groups, settings),
    adopt(groups, settings) {
      const all = [...groups];
      scripts.adopt(all, settings);
      external.adopt(all);
    },
    standings: () => scripts.standings(),
    reloads: scripts.reloads,
    resume: (group) => scripts.resume(group),
    digestOf: (group) => scripts.digestOf(group),
    bundleOf: (digest) => scripts.bundleOf(digest),
    feed: (group, line) => external.feed(group, line),
    deliver: (open) => external.deliver(open),
    get feedback() {
      return external.feedback;
    },
    get state() {
      const states = [scripts.state, external.state];
      return STATES.find((state) => states.includes(state)) ?? "ok";
    },
    async close() {
      external.close();
      await scripts.close();
    },
  };
}

/** From the worst. */
const STATES: readonly PolicyState[] = ["quarantined", "unavailable"];
