import { GatewayError } from "../core/errors.ts";
import type { Decide, PolicyRun, PolicyVerdict, StrategyServices } from "../core/strategy.ts";

/** What is done when a policy fails. */
export type OnError = "fail_closed" | "fallback";

/** Decides by asking the group's policy; when that fails, the base strategy decides, or nobody. */
export function askPolicy(
  kind: PolicyRun["kind"],
  onError: OnError,
  { group, policies, base }: StrategyServices,
): Decide {
  const failed = onError === "fallback" ? "fallback" : "error";
  return async (context, asking) => {
    if (kind === "external" && !asking.remote) throw notAsked(group);
    const verdict = await policies?.decide(group, context, asking) ?? UNAVAILABLE;
    const { digest, cost } = verdict;
    const run = { role: asking.role, kind, digest, cost };
    if (verdict.kind === "plan") {
      asking.runs.push({ ...run, outcome: "success", fault: null, plan: verdict.checked });
      return verdict.plan;
    }
    asking.runs.push({ ...run, outcome: failed, fault: verdict.fault, plan: null });
    if (onError === "fallback") return base(context, asking);
    throw policyError(group, verdict);
  };
}

const UNAVAILABLE: PolicyVerdict = {
  kind: "fault",
  fault: "policy-unavailable",
  digest: null,
  cost: { durationUs: 0, queueUs: 0, hostId: null, responseBytes: null },
};

/** What is only looked at asks no other server, unless it is to. */
function notAsked(group: string): GatewayError {
  return new GatewayError(
    "routing-policy-error",
    `Cannot tell the plan: another server holds the policy of group "${group}"; ` +
      "call_policy=true asks it",
    { group, policy: null, fault: null },
  );
}

function policyError(group: string, { fault, digest }: PolicyVerdict & { kind: "fault" }) {
  return new GatewayError(
    "routing-policy-error",
    `Cannot route: the policy of group "${group}" did not decide: ${fault}`,
    { group, policy: digest?.slice(0, 12) ?? null, fault },
  );
}
