import { createDeadlines } from "../../core/deadlines.ts";
import { MAX_BATCH } from "../sandbox/messages.ts";
import { faultOf, type HostAnswer, PolicyHost } from "../sandbox/policy_host.ts";
import { openProcess } from "../sandbox/process_link.ts";

/** A policy that does not come to decide. */
export class BrokenPolicy extends Error {
  override readonly name = "BrokenPolicy";
}

/**
 * Longest time of a decision, ms: as long as a configuration allows. A machine that is busy with a replay
 * must not make a policy fail that serves within its time.
 */
const TIMEOUT_MS = 1_000;
const HEAP_MB = 64;

/** How often a decision is asked again whose process ended before it came to it. */
const ROUNDS = 3;

const clock = () => performance.now();

/** Decides with one policy in the sandbox of the gateway, in a process that is replaced when it ends. */
export class ReplaySandbox implements AsyncDisposable {
  readonly #code: string;
  readonly #deadlines = createDeadlines(clock);
  #host: Promise<PolicyHost> | null = null;
  #plansAtOnce = true;

  /** Takes the code of a bundle. */
  constructor(code: string) {
    this.#code = code;
  }

  /**
   * Decides on contexts, as JSON.
   *
   * @throws {BrokenPolicy} when it cannot be loaded
   */
  async decideAll(contexts: readonly string[]): Promise<readonly HostAnswer[]> {
    const host = await this.#running();
    const batches: Promise<readonly HostAnswer[]>[] = [];
    for (let at = 0; at < contexts.length; at += MAX_BATCH) {
      batches.push(this.#decideBatch(host, contexts.slice(at, at + MAX_BATCH)));
    }
    return (await Promise.all(batches)).flat();
  }

  /** What has no plan in a batch is asked alone; a policy that never has one, at once. */
  async #decideBatch(
    host: PolicyHost,
    contexts: readonly string[],
  ): Promise<readonly HostAnswer[]> {
    const plans = this.#plansAtOnce ? await host.decideAll(contexts) : contexts.map(() => null);
    this.#plansAtOnce = plans.some((plan) => plan !== null);
    return await Promise.all(contexts.map((context, index): Promise<HostAnswer> | HostAnswer => {
      const text = plans[index] ?? null;
      return text === null ? this.#decide(host, context) : { kind: "plan", text };
    }));
  }

  /** A process that ended over a batch is not asked: that would be one of the rounds. */
  async #decide(first: PolicyHost, context: string): Promise<HostAnswer> {
    let host = first.alive ? first : await this.#running();
    for (let round = 1;; round++) {
      const answer = await host.decide(context);
      if (answer.kind !== "lost" || round === ROUNDS) return answer;
      host = await this.#running();
    }
  }

  #running(): Promise<PolicyHost> {
    return this.#host ??= this.#open();
  }

  async #open(): Promise<PolicyHost> {
    const host = new PolicyHost({
      deadlines: this.#deadlines,
      clock,
      open: openProcess,
      heapMb: HEAP_MB,
    });
    const leave = () => {
      if (this.#opened === host) this.#host = this.#opened = null;
    };
    const refused = await host.load(
      { code: this.#code, timeoutMs: TIMEOUT_MS, heapMb: HEAP_MB, traces: false },
      {
        onWorn() {
          leave();
          void host.retire();
        },
        onDiffers() {},
        onEnd: leave,
      },
    );
    if (refused) {
      host.kill();
      throw new BrokenPolicy(`Cannot load the policy: ${faultOf(refused)}`);
    }
    return this.#opened = host;
  }

  #opened: PolicyHost | null = null;

  async [Symbol.asyncDispose](): Promise<void> {
    this.#opened?.kill();
    await this.#opened?.ended;
  }
}
