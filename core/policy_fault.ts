/** Every way a policy can fail, by name. */
export const POLICY_FAULTS = [
  "policy-threw",
  "policy-timeout",
  "policy-killed",
  "policy-oom",
  "policy-crashed",
  "policy-never-settled",
  "policy-output-invalid",
  "policy-output-too-large",
  "policy-plan-invalid",
  "policy-ineligible-target",
  "policy-busy",
  "policy-unavailable",
  "policy-quarantined",
  "policy-fetch-denied",
  "policy-unreachable",
  "policy-status",
  "policy-egress-denied",
  "policy-breaker-open",
] as const;

/** The name of a fault: a closed list without data. */
export type PolicyFault = typeof POLICY_FAULTS[number];
