import { BUDGET_PRESSURE } from "./budget_rules.ts";
import type { Call } from "./call.ts";
import { CONTEXT_EXCEEDED, requirementsOf } from "./eligibility.ts";
import { GatewayError } from "./errors.ts";
import type { Filtered } from "./filter_targets.ts";
import type { Group } from "./snapshot.ts";
import type { RejectedTarget } from "./strategy.ts";

/** Why no target serves: only context size in the way is the caller's to mend; agents compact on that answer. */
export function noTarget(call: Call, { group, features, rejected }: Filtered): GatewayError {
  const onlyContext = rejected.some(({ reasons }) =>
    reasons.length === 1 && reasons[0] === CONTEXT_EXCEEDED
  );
  if (call.decoded instanceof GatewayError) return call.decoded;
  if (onlyContext) return contextExceeded(group, features.estimatedInputTokens);
  const promised = rejected.flatMap(({ reasons }) =>
    reasons.filter((reason) => reason.startsWith("contract-") || reason === BUDGET_PRESSURE)
  );
  const requirements = [...requirementsOf(features), ...new Set(promised)];
  const hint = sorted(rejected.flatMap(({ reasons }) => reasons.slice(0, 1)));
  return new GatewayError(
    "no-eligible-target",
    `Cannot route: no target of group "${group.name}" takes this request on ${call.dialect.name}` +
      whyNot(rejected, hint),
    {
      model: group.name,
      dialect: call.dialect.name,
      requirements,
      target_count: group.targets.length,
      hint: hint.join(", "),
      ...(call.snapshot.server.exposeRejections
        ? {
          rejections: rejected.map(({ provider, model, reasons }) => ({
            target: `${provider}/${model}`,
            reasons,
          })),
        }
        : {}),
    },
  );
}

/** SDKs show the message alone: it names the hint, and what bridges could not carry. */
function whyNot(rejected: readonly RejectedTarget[], hint: readonly string[]): string {
  const bridges = rejected.flatMap(({ reasons }) => reasons)
    .filter((reason) => reason.startsWith("bridge-"));
  const reasons = sorted([...hint, ...bridges]);
  return reasons.length === 0 ? "" : ` (${reasons.join(", ")})`;
}

/** Each once. */
function sorted(reasons: readonly string[]): readonly string[] {
  return [...new Set(reasons)].sort();
}

/** The prompt is too long for every target; the words are those agents look for. */
export function contextExceeded(group: Group, tokens: number): GatewayError {
  const known = group.targets.flatMap((target) => target.contextTokens ?? []);
  const max = known.length > 0 ? Math.max(...known) : null;
  return new GatewayError(
    "context-length-exceeded",
    max === null
      ? `prompt is too long: ${tokens} tokens`
      : `prompt is too long: ${tokens} tokens > ${max} maximum`,
    { tokens, max_tokens: max },
  );
}
