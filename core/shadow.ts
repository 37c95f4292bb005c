import type { Decision } from "./decision.ts";
import { expectedCostNusd, whole } from "./expected_cost.ts";
import { checkPlan } from "./plan.ts";
import type { Journal, Row } from "./record.ts";
import type { Shadow } from "./snapshot.ts";
import type { CheckedPlan, PolicyRun, RouteContext } from "./strategy.ts";
import { runRow } from "./telemetry/run_row.ts";
import { isSampled } from "./telemetry/sample.ts";

/** Decisions of the shadow policy of a group under way at once. */
const MAX_RUNNING = 4;
/** Number of a shadow's run among those of its call. */
const SEQ = 100;

/** A decision that was made. */
type Offered = Pick<Decision, "group" | "context" | "checked">;

interface Waiting {
  readonly shadow: Shadow;
  readonly context: RouteContext;
  readonly served: CheckedPlan;
}

/** Decisions of one group: a shadow that is slow keeps no other waiting. */
interface Queue {
  readonly waiting: Waiting[];
  running: number;
}

/** What shadow policies did so far, by group. */
export interface ShadowCounts {
  same: number;
  different: number;
  faults: number;
  /** Not asked: too many waited. */
  dropped: number;
}

/** Lets policies decide beside those that serve; nothing of it reaches a call. */
export class Shadows {
  readonly counts = new Map<string, ShadowCounts>();
  readonly #queues = new Map<string, Queue>();
  readonly #journal: Pick<Journal, "appendDecision">;

  constructor(journal: Pick<Journal, "appendDecision">) {
    this.#journal = journal;
  }

  /** Takes a decision that is made, if it is one of the sample, with its context as it is now. */
  offer({ group, context, checked }: Offered, given: () => RouteContext): void {
    const { shadow } = group;
    if (!shadow || !checked || !isSampled(context.requestId, shadow.samplePercent)) return;
    const queue = this.#queueOf(group.name);
    if (queue.waiting.length >= shadow.maxQueue) {
      this.#countsOf(group.name).dropped += 1;
      return;
    }
    queue.waiting.push({ shadow, context: given(), served: checked });
    setTimeout(() => this.#next(queue), 0);
  }

  #next(queue: Queue): void {
    if (queue.running >= MAX_RUNNING) return;
    const next = queue.waiting.shift();
    if (!next) return;
    queue.running += 1;
    this.#run(next).finally(() => {
      queue.running -= 1;
      this.#next(queue);
    });
  }

  async #run({ shadow, context, served }: Waiting): Promise<void> {
    const counts = this.#countsOf(context.group);
    const runs: PolicyRun[] = [];
    const signal = new AbortController().signal;
    try {
      const asking = { trial: false, remote: true, role: "shadow", runs, signal } as const;
      const plan = checkPlan(await shadow.decide(context, asking), context);
      const same = plan.order[0] === served.order[0];
      counts[same ? "same" : "different"] += 1;
      this.#tell(context, runs, resultRow(context, plan, served, runs[0]));
    } catch {
      counts.faults += 1;
      this.#tell(context, runs, null);
    }
  }

  #tell(context: RouteContext, [run]: readonly PolicyRun[], result: Row | null): void {
    this.#journal.appendDecision({
      requestId: context.requestId,
      ts: context.now,
      rows: {
        request_shadow_results: result ? [result] : [],
        request_policy_executions: run ? [{ seq: SEQ, ...runRow(run, undefined) }] : [],
      },
    });
  }

  #queueOf(group: string): Queue {
    return this.#queues.getOrInsertComputed(group, () => ({ waiting: [], running: 0 }));
  }

  #countsOf(group: string): ShadowCounts {
    return this.counts.getOrInsertComputed(
      group,
      () => ({ same: 0, different: 0, faults: 0, dropped: 0 }),
    );
  }
}

function resultRow(
  context: RouteContext,
  plan: CheckedPlan,
  served: CheckedPlan,
  run: PolicyRun | undefined,
): Row {
  const cost = ({ order }: CheckedPlan) => {
    const first = context.targets[order[0] ?? -1];
    return first ? whole(expectedCostNusd(context, first)) ?? undefined : undefined;
  };
  return {
    policy_digest: run?.digest ?? "",
    same_first: Number(plan.order[0] === served.order[0]),
    same_order: Number(plan.order.join() === served.order.join()),
    shadow_candidate_index: plan.order[0],
    shadow_cost_nusd: cost(plan),
    served_cost_nusd: cost(served),
  };
}
