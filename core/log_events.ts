const TARGET = ["provider", "model"] as const;
const POLICY = ["group", "policy"] as const;
const CALL = [
  "step",
  "request_id",
  "caller",
  "group",
  ...TARGET,
  "attempts",
  "status",
  "duration_ms",
  "trace_id",
] as const;

/**
 * What happens, from a closed list: dashboards and alerts match on it. With each event the fields its
 * lines may have: names, counts and codes, never a prompt, a key or a thrown object.
 */
export const LOG_EVENTS = {
  backoff_started: [...TARGET, "error", "wait_ms"],
  breaker_closed: TARGET,
  breaker_opened: [...TARGET, "error", "status"],
  cache_failed: ["reason"],
  calibration_failed: ["reason"],
  call_failed: [...CALL, "error", "class", "hint", "cause"],
  call_settled: CALL,
  chore_failed: ["name", "reason"],
  config_rejected: ["code", "path"],
  config_reloaded: ["fingerprint", "groups"],
  config_warning: ["code", "path"],
  contract_expired: ["group", "target"],
  contract_expiring: ["group", "target", "days_left"],
  drain_finished: ["calls"],
  drain_started: ["calls"],
  gateway_started: ["url"],
  journal_recovered: ["lines"],
  journal_torn: [],
  journal_write_failed: ["name", "code", "reason"],
  ledger_failed: ["reason"],
  ledger_rebuilt: ["lines"],
  ledger_recovered: [],
  line_rejected: ["journal", "reason"],
  migration_pending: ["name", "code", "reason", "delay_ms"],
  policy_board_failed: ["reason"],
  policy_fault: ["request_id", ...POLICY, "fault", "problem"],
  policy_feedback_failed: ["group"],
  policy_host_ended: POLICY,
  policy_loaded: [...POLICY, "bytes"],
  policy_nondeterminism: POLICY,
  policy_quarantined: [...POLICY, "open_ms", "fault"],
  policy_refused: ["group"],
  rollout_rolled_back: [...POLICY, "reason"],
  policy_resumed: POLICY,
  shipper_backoff: [
    "name",
    "code",
    "reason",
    "delay_ms",
    "failures",
    "unshipped_bytes",
    "max_unshipped_bytes",
  ],
  worker_ended: ["worker", "code", "signal", "delay_ms", "reason"],
  worker_started: ["worker", "pid"],
} as const satisfies Readonly<Record<string, readonly string[]>>;

/** The name of an event. */
export type LogEvent = keyof typeof LOG_EVENTS;

/** Fields of an event; those without a value are left out. */
export type LogFields<Event extends LogEvent = LogEvent> = Readonly<
  Partial<Record<typeof LOG_EVENTS[Event][number], string | number | boolean | null | undefined>>
>;
