import { Buffer } from "node:buffer";
import type { Log } from "../../core/log.ts";
import { readPlan } from "../../core/plan.ts";
import type { PolicyFault } from "../../core/policy_fault.ts";
import type { PolicyHostSettings } from "../../core/policy_runner.ts";
import type { PolicyStanding, PolicyState } from "../../core/policy_standing.ts";
import type {
  PolicyCost,
  PolicyOutcome,
  PolicyVerdict,
  RouteContext,
} from "../../core/strategy.ts";
import { FaultLog } from "../fault_log.ts";
import { faultOf, type HostAnswer } from "./policy_host.ts";
import { PolicyQueue } from "./policy_queue.ts";
import { type Admission, Quarantine } from "./quarantine.ts";
import type { HostWorld } from "./spare_host.ts";
import type { PolicyVersion } from "./version.ts";

/** Longest time decisions under way keep an old version, ms. */
const DRAIN_MS = 5_000;

/** Faults that say nothing about the policy itself. */
const UNCOUNTED: ReadonlySet<PolicyFault> = new Set([
  "policy-busy",
  "policy-unavailable",
  "policy-quarantined",
]);

/** What a group's policy needs. */
export interface GroupPolicyOptions extends HostWorld {
  readonly group: string;
  readonly log: Log;
  settings(): PolicyHostSettings;
}

/** The policy of one group: the version in force, its queue and its quarantine. */
export class GroupPolicy {
  readonly #options: GroupPolicyOptions;
  readonly #queue: PolicyQueue;
  readonly #faultLog: FaultLog;
  #version: PolicyVersion;
  #quarantine = new Quarantine();
  #faults: Partial<Record<PolicyFault, number>> = {};
  #hostRestarts = 0;
  #nondeterminism = 0;

  constructor(version: PolicyVersion, options: GroupPolicyOptions) {
    this.#options = options;
    this.#version = version;
    this.#faultLog = new FaultLog(options.group, options);
    this.#queue = new PolicyQueue({
      deadlines: options.deadlines,
      maxConcurrent: () => this.#version.settings.maxConcurrent,
      host: () => this.#version.idlest(),
    });
    this.#serve(version);
  }

  get version(): PolicyVersion {
    return this.#version;
  }

  get state(): PolicyState {
    if (this.#quarantine.open) return "quarantined";
    return this.#version.idlest() ? "ok" : "unavailable";
  }

  /** How it stands, for operators. */
  get standing(): PolicyStanding {
    return {
      group: this.#options.group,
      state: this.state,
      digest: this.#version.bundle.digest,
      faults: { ...this.#faults },
      queued: this.#queue.waiting,
      hostRestarts: this.#hostRestarts,
      nondeterminism: this.#nondeterminism,
    };
  }

  /** Ends a quarantine, and forgets the faults that count for one. */
  resume(): void {
    const { log, group } = this.#options;
    const wasOpen = this.#quarantine.open;
    this.#quarantine = new Quarantine();
    if (!wasOpen) return;
    const policy = shortDigest(this.#version.bundle.digest);
    log.write("info", "policy_resumed", "A policy is asked again", { group, policy });
  }

  /** Brings another version into force; decisions under way end on theirs. */
  swap(version: PolicyVersion): void {
    const old = this.#version;
    this.#version = version;
    this.#quarantine = new Quarantine();
    this.#serve(version);
    void old.close(DRAIN_MS);
  }

  /** Ends it; decisions under way may finish. */
  close(): Promise<void> {
    return this.#version.close(DRAIN_MS);
  }

  /** Asks the policy; a `trial` counts for nothing. */
  async decide(context: RouteContext, trial: boolean): Promise<PolicyVerdict> {
    const { digest } = this.#version.bundle;
    const quarantine = this.#quarantine;
    const admission = trial ? "run" : quarantine.admit(this.#options.clock());
    if (admission === "refuse") {
      const refused = {
        kind: "fault",
        fault: "policy-quarantined",
        problem: null,
        digest,
        cost: NO_COST,
      } as const;
      this.#note(refused.fault);
      return refused;
    }
    const { answer, cost } = await this.#ask(JSON.stringify(context));
    const verdict = { ...outcomeOf(answer, context), digest, cost };
    if (trial) return verdict;
    if (verdict.kind === "fault") {
      this.#note(verdict.fault);
      this.#faultLog.tell(verdict, context, shortDigest(digest));
    }
    this.#count(quarantine, admission, verdict);
    return verdict;
  }

  /** What waited in a process that ended goes once to another one. */
  async #ask(context: string): Promise<Asked> {
    const { clock } = this.#options;
    const started = clock();
    let waitedMs = 0;
    const end = (answer: HostAnswer, hostId: number | null): Asked => {
      const responseBytes = answer.kind === "plan" ? Buffer.byteLength(answer.text) : null;
      const durationUs = micros(clock() - started);
      return { answer, cost: { durationUs, queueUs: micros(waitedMs), hostId, responseBytes } };
    };
    const { granted } = this.#version;
    for (let round = 0; round < 2; round++) {
      let place = this.#queue.take();
      if (place instanceof Promise) {
        const queued = clock();
        place = await place;
        waitedMs += clock() - queued;
      }
      if (typeof place === "string") return end({ kind: "fault", fault: place, detail: "" }, null);
      const answer = await place.decide(context, granted);
      this.#queue.release();
      if (answer.kind !== "lost") return end(answer, place.pid);
    }
    return end({ kind: "lost" }, null);
  }

  #serve(version: PolicyVersion): void {
    const { log, group } = this.#options;
    const fields = { group, policy: shortDigest(version.bundle.digest) };
    version.serve(this.#options.settings().hosts, {
      onHost: () => this.#queue.next(),
      onEnd: () => {
        this.#hostRestarts += 1;
        log.write("warn", "policy_host_ended", "A policy host ended", fields);
      },
      onDiffers: () => {
        this.#nondeterminism += 1;
        const msg = "A policy gave two plans for one context";
        log.write("warn", "policy_nondeterminism", msg, fields);
      },
    });
  }

  #note(fault: PolicyFault): void {
    this.#faults[fault] = (this.#faults[fault] ?? 0) + 1;
  }

  #count(quarantine: Quarantine, admission: Admission, verdict: PolicyVerdict): void {
    const { log, group } = this.#options;
    const fields = { group, policy: shortDigest(verdict.digest ?? "") };
    if (verdict.kind === "plan") {
      if (!quarantine.succeed(admission)) return;
      return log.write("info", "policy_resumed", "A policy is asked again", fields);
    }
    if (UNCOUNTED.has(verdict.fault)) return quarantine.release(admission);
    const ms = quarantine.fail(
      admission,
      this.#options.clock(),
      this.#options.settings().quarantine,
    );
    if (ms === null) return;
    log.write("error", "policy_quarantined", "A policy fails and is not asked for a while", {
      ...fields,
      fault: verdict.fault,
      open_ms: ms,
    });
  }
}

interface Asked {
  readonly answer: HostAnswer;
  readonly cost: PolicyCost;
}

const NO_COST: PolicyCost = { durationUs: 0, queueUs: 0, hostId: null, responseBytes: null };

const micros = (ms: number) => Math.round(ms * 1000);

/** How logs and errors name a version: the first 12 hex digits of its digest. */
export function shortDigest(digest: string): string {
  return digest.slice(0, 12);
}

function outcomeOf(answer: HostAnswer, context: RouteContext): PolicyOutcome {
  if (answer.kind === "plan") return readPlan(answer.text, context);
  return { kind: "fault", fault: faultOf(answer), problem: null };
}
