import { isDeepStrictEqual } from "node:util";
import type { FeedbackCounts, PolicyGroup } from "../../core/policy_runner.ts";
import type { FeedbackSettings } from "../../core/policy_settings.ts";
import type { PolicyState } from "../../core/policy_standing.ts";
import type { OpenSpool } from "../../core/spool.ts";
import { ExternalPolicy, type ExternalPolicyWorld } from "./external_policy.ts";
import { Feedback, type FeedbackWorld } from "./feedback.ts";

/** Policies of groups that other servers hold, and what these are told. */
export class ExternalPolicies {
  readonly #world: ExternalPolicyWorld & FeedbackWorld;
  readonly #policies = new Map<string, ExternalPolicy>();
  readonly #feedback = new Map<string, Feedback>();
  /** Of groups that are told no more. */
  #dropped = 0;
  #open: OpenSpool | null = null;

  constructor(world: ExternalPolicyWorld & FeedbackWorld) {
    this.#world = world;
  }

  get(group: string): ExternalPolicy | undefined {
    return this.#policies.get(group);
  }

  get state(): PolicyState {
    const states = [...this.#policies.values()].map(({ state }) => state);
    return states.includes("unavailable") ? "unavailable" : "ok";
  }

  get feedback(): FeedbackCounts {
    const counts = [...this.#feedback.values()].map(({ counts }) => counts);
    return {
      dropped: counts.reduce((sum, { dropped }) => sum + dropped, this.#dropped),
      waitingBytes: counts.reduce((sum, { waitingBytes }) => sum + waitingBytes, 0),
    };
  }

  /** A policy whose settings are the same keeps its connections and what is known of it. */
  adopt(groups: readonly PolicyGroup[]): void {
    const asked = new Map(
      groups.flatMap(({ name, policy }) =>
        policy?.kind === "external" ? [[name, policy] as const] : []
      ),
    );
    for (const [name, policy] of this.#policies) {
      if (isDeepStrictEqual(asked.get(name), policy.settings)) continue;
      this.#policies.delete(name);
      policy.close();
    }
    for (const [name, settings] of asked) {
      if (this.#policies.has(name)) continue;
      this.#policies.set(name, new ExternalPolicy(name, settings, this.#world));
    }
    this.#adoptFeedback();
  }

  /** Begins to tell policies what became of calls. */
  deliver(open: OpenSpool): void {
    this.#open = open;
    this.#adoptFeedback();
  }

  feed(group: string, line: string): void {
    const feedback = this.#feedback.get(group);
    if (feedback) feedback.feed(line);
    else this.#dropped += 1;
  }

  close(): void {
    this.adopt([]);
  }

  /** What waits of a group that is told no more stays where it is. */
  #adoptFeedback(): void {
    for (const [name, feedback] of this.#feedback) {
      if (this.#policies.get(name)?.settings.feedback) continue;
      this.#feedback.delete(name);
      this.#dropped += feedback.counts.dropped;
      feedback.close();
    }
    for (const [name, { settings: { feedback: settings } }] of this.#policies) {
      if (!settings || !this.#open) continue;
      const known = this.#feedback.get(name);
      if (known) known.configure(settings);
      else this.#openFeedback(name, settings, this.#open);
    }
  }

  /** A disk that fails keeps no configuration from coming into force; the next one tries again. */
  #openFeedback(group: string, settings: FeedbackSettings, open: OpenSpool): void {
    try {
      this.#feedback.set(group, new Feedback(group, settings, open(group), this.#world));
    } catch {
      const told = "Cannot keep what a policy's server is to be told; it is told nothing";
      this.#world.log.write("error", "policy_feedback_failed", told, { group });
    }
  }
}
