import type { Row } from "../record.ts";
import type { PolicyRun } from "../strategy.ts";

/** A row of `request_policy_executions` without its number. */
export function runRow({ cost, plan, ...run }: PolicyRun, terminal: string | undefined): Row {
  return {
    role: run.role,
    policy_kind: run.kind,
    policy_digest: run.digest ?? undefined,
    host_id: cost.hostId ?? undefined,
    outcome: run.outcome,
    error_class: run.fault ?? undefined,
    duration_us: cost.durationUs,
    queue_us: cost.queueUs,
    response_bytes: cost.responseBytes ?? undefined,
    selected_candidate_index: plan?.order[0],
    fallback_count: plan ? plan.order.length - 1 : undefined,
    class_label: plan?.classLabel ?? undefined,
    terminal_error: run.outcome === "error" ? terminal : undefined,
  };
}
