import { Breaker } from "../../core/breaker.ts";
import type { Deadlines } from "../../core/deadlines.ts";
import { EgressClient } from "../../core/egress_client.ts";
import type { Log } from "../../core/log.ts";
import { readPlan, recheckPlan } from "../../core/plan.ts";
import type { PolicyFault } from "../../core/policy_fault.ts";
import type { ExternalPolicySettings } from "../../core/policy_settings.ts";
import type { PolicyState } from "../../core/policy_standing.ts";
import type { Asking, PolicyOutcome, PolicyVerdict, RouteContext } from "../../core/strategy.ts";
import { FaultLog } from "../fault_log.ts";
import { within } from "../within.ts";
import { VerdictCache } from "./verdict_cache.ts";

/** Version of what is posted and of what is expected. */
const CONTRACT = "1";

/** Faults that say nothing about the policy's server. */
const UNCOUNTED: ReadonlySet<PolicyFault> = new Set([
  "policy-egress-denied",
  "policy-breaker-open",
]);

/** What a policy needs that another server holds. */
export interface ExternalPolicyWorld {
  readonly log: Log;
  /** Monotonic ms. */
  clock(): number;
  /** In [0, 1). */
  random(): number;
  readonly deadlines: Deadlines;
}

/** The policy of one group that another server holds: its connections, its breaker, its last plans. */
export class ExternalPolicy {
  readonly settings: ExternalPolicySettings;
  readonly #group: string;
  readonly #world: ExternalPolicyWorld;
  readonly #client: EgressClient;
  readonly #breaker = new Breaker();
  readonly #faultLog: FaultLog;
  readonly #verdicts: VerdictCache;
  #underWay = 0;
  #closing = false;

  constructor(group: string, settings: ExternalPolicySettings, world: ExternalPolicyWorld) {
    this.settings = settings;
    this.#group = group;
    this.#world = world;
    this.#client = new EgressClient(settings.egress);
    this.#faultLog = new FaultLog(group, world);
    this.#verdicts = new VerdictCache(settings.verdictTtlMs);
  }

  get state(): PolicyState {
    return this.#breaker.state(this.#world.clock()) === "open" ? "unavailable" : "ok";
  }

  /**
   * Asks the policy; a `trial` counts for nothing.
   *
   * @throws the reason of `asking.signal` once that is aborted; nothing else
   */
  async decide(context: RouteContext, asking: Asking): Promise<PolicyVerdict> {
    const { clock } = this.#world;
    const started = clock();
    const { responseBytes, ...outcome } = this.#known(context, started) ??
      await this.#counted(context, asking);
    if (outcome.kind === "fault" && !asking.trial) this.#faultLog.tell(outcome, context);
    const durationUs = Math.round((clock() - started) * 1000);
    return {
      ...outcome,
      digest: null,
      cost: { durationUs, queueUs: 0, hostId: null, responseBytes },
    };
  }

  /** Ends its connections, as soon as nobody waits for an answer. */
  close(): void {
    this.#closing = true;
    if (this.#underWay === 0) this.#client[Symbol.dispose]();
  }

  /** What it said before of the same conversation and targets, if that still holds. */
  #known(context: RouteContext, now: number): Answered | null {
    const plan = this.#verdicts.get(context, now);
    const again = plan && recheckPlan(plan, context);
    return again?.kind === "plan" ? { ...again, responseBytes: null } : null;
  }

  async #counted(context: RouteContext, asking: Asking): Promise<Answered> {
    this.#underWay += 1;
    try {
      return await this.#admitted(context, asking);
    } finally {
      this.#underWay -= 1;
      if (this.#closing) this.close();
    }
  }

  async #admitted(context: RouteContext, asking: Asking): Promise<Answered> {
    if (asking.trial) return await this.#ask(context, asking.signal);
    const { clock, random } = this.#world;
    const { breaker: options } = this.settings;
    if (this.#breaker.isBarred(options, clock())) return fault("policy-breaker-open");
    const probe = this.#breaker.claimProbe(options, clock());
    try {
      const answered = await this.#ask(context, asking.signal);
      const at = { options, now: clock(), random: random() };
      const change = this.#breaker.record(countOf(answered), probe, at);
      if (change) this.#tellChange(change);
      if (answered.kind === "plan") this.#verdicts.set(context, answered.plan, clock());
      return answered;
    } finally {
      if (probe) this.#breaker.releaseProbe();
    }
  }

  async #ask(context: RouteContext, nobodyWaits: AbortSignal): Promise<Answered> {
    const { url, headers, timeoutMs, maxResponseBytes } = this.settings;
    const request = {
      method: "POST",
      url,
      headers: {
        ...headers,
        "accept": "application/json",
        "content-type": "application/json",
        "x-request-id": context.requestId,
        "x-router-contract": CONTRACT,
      },
      body: JSON.stringify(context),
      maxBytes: maxResponseBytes,
    } as const;
    const limits = { ms: timeoutMs, deadlines: this.#world.deadlines, signal: nobodyWaits };
    const answer = await within(limits, (signal) => this.#client.send({ ...request, signal }));
    if (answer === null) return fault("policy-timeout");
    if (answer.kind !== "answer") return fault(FAULTS[answer.kind]);
    const { status, text, bytes } = answer;
    const told = status >= 200 && status < 300 ? readPlan(text, context) : fault("policy-status");
    return { ...told, responseBytes: bytes };
  }

  #tellChange(change: "opened" | "closed"): void {
    const { log } = this.#world;
    const fields = { group: this.#group };
    if (change === "closed") log.write("info", "policy_resumed", "A policy is asked again", fields);
    else {
      const told = "A policy fails and is not asked for a while";
      log.write("error", "policy_quarantined", told, fields);
    }
  }
}

type Answered = PolicyOutcome & { readonly responseBytes: number | null };

const FAULTS = {
  "denied": "policy-egress-denied",
  "unreachable": "policy-unreachable",
  "too-large": "policy-output-too-large",
} as const;

function fault(fault: PolicyFault): Answered {
  return { kind: "fault", fault, problem: null, responseBytes: null };
}

function countOf(answered: Answered): "success" | "failure" | "none" {
  if (answered.kind === "plan") return "success";
  return UNCOUNTED.has(answered.fault) ? "none" : "failure";
}
