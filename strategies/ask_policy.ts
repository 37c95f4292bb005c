import { GatewayError } from "../core/errors.ts";
import {
  type Decide,
  type PolicyRun,
  type PolicyVerdict,
  type StrategyServices,
  UNAVAILABLE,
} from "../core/strategy.ts";

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
    const run = { role: asking.role, kind, digest, cost, fault: null, problem: null, plan: null };
    if (verdict.kind === "plan") {
      asking.runs.push({ ...run, outcome: "success", plan: verdict.checked });
      return verdict.plan;
    }
    const { fault, problem } = verdict;
    asking.runs.push({ ...run, outcome: failed, fault, problem });
    if (onError === "fallback") return base(context, asking);
    throw policyError(group, verdict);
  };
}

/** What is only looked at asks no other server, unless it is to. */
function notAsked(group: string): GatewayError {
  return new GatewayError(
    "routing-policy-error",
    `Cannot tell the plan: another server holds the policy of group "${group}"; ` +
      "call_policy=true asks it",
    { group, policy: null, fault: null },
  );
}

function policyError(group: string, { fault, problem, digest }: PolicyVerdict & { kind: "fault" }) {
  const why = problem === null ? fault : `${fault}: ${problem}`;
  return new GatewayError(
    "routing-policy-error",
    `Cannot route: the policy of group "${group}" did not decide: ${why}`,
    { group, policy: digest?.slice(0, 12) ?? null, fault },
  );
}
