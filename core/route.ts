import { hash } from "node:crypto";
import { type Call, cutSignal, type Parts } from "./call.ts";
import { type Conversation, type ConversationFacts, conversationOf } from "./conversation.ts";
import { CONTEXT_EXCEEDED, rejections, requirementsOf } from "./eligibility.ts";
import { GatewayError } from "./errors.ts";
import type { RequestFeatures } from "./features.ts";
import { budgetOf } from "./limits/standing.ts";
import { readDecoded } from "./open_bridge.ts";
import { checkPlan } from "./plan.ts";
import { scopesOf } from "./reserve.ts";
import type { Group, Target } from "./snapshot.ts";
import type {
  Asking,
  CheckedPlan,
  RejectedTarget,
  RouteContext,
  TargetSignals,
  TargetView,
} from "./strategy.ts";
import { viewOf } from "./target_view.ts";

/**
 * Step 4: eligible targets, the group's strategy, and one check of its plan: targets in the order to try.
 *
 * @throws {GatewayError} `no-eligible-target`, `context-length-exceeded`, `routing-policy-error`
 */
export async function route(parts: Parts, call: Call): Promise<readonly Target[]> {
  const { group, eligible, rejected, features } = filterTargets(call);
  if (eligible.length === 0) throw noTarget(call, group, features, rejected);
  const context = contextOf(parts, call, { group, features, eligible, rejected });
  const started = parts.clock();
  const decided = group.decide(context, askingOf(call));
  const plan = checkPlan(decided instanceof Promise ? await decided : decided, context);
  call.decideMs = parts.clock() - started;
  call.classLabel = plan.classLabel;
  return ordered(plan, eligible);
}

/** A decision that a call waits for. */
export function askingOf(call: Call): Asking {
  return {
    trial: false,
    remote: true,
    role: "serve",
    runs: call.policyRuns,
    // Few decisions wait for anything.
    get signal() {
      return cutSignal(call);
    },
  };
}

/** Targets in the order of a plan. */
export function ordered(plan: CheckedPlan, eligible: readonly Target[]): readonly Target[] {
  return plan.order.flatMap((index) => eligible[index] ?? []);
}

/** Which targets of its group can serve a call, and why the others cannot. */
export function filterTargets(call: Call): Filtered {
  const { group, features } = call;
  if (!group || !features) throw new TypeError("Cannot route a call that was not admitted");
  const asked = {
    dialect: call.dialect.name,
    features,
    unknownLimits: group.unknownLimits,
    costLimited: call.credential.caller.costLimited,
    decoded() {
      const decoded = readDecoded(call);
      return decoded instanceof GatewayError ? null : decoded;
    },
  };
  const eligible: Target[] = [];
  const rejected: RejectedTarget[] = [];
  for (const target of group.targets) {
    const reasons = rejections(target, asked);
    if (reasons.length === 0) eligible.push(target);
    else {
      const { id, provider, model } = target;
      rejected.push({ id, provider: provider.name, model, reasons });
    }
  }
  return { group, features, eligible, rejected };
}

/** A group's targets, sorted out for one call. */
export interface Filtered {
  readonly group: Group;
  readonly features: RequestFeatures;
  readonly eligible: readonly Target[];
  readonly rejected: readonly RejectedTarget[];
}

/** Everything the decision may depend on. */
export function contextOf(parts: Parts, call: Call, filtered: Filtered): RouteContext {
  const { caller, tokenId } = call.credential;
  let known: Conversation | null = null;
  const conversation = () => known ??= conversationOf(conversationFacts(call, filtered.group));
  return {
    version: 1,
    requestId: call.id,
    group: filtered.group.name,
    now: call.ts,
    // Few decisions draw, or ask for names: what most do not read is made when it is read.
    get seed() {
      return seedOf(call.id);
    },
    dialect: call.dialect.name,
    features: filtered.features,
    get requirements() {
      return requirementsOf(filtered.features);
    },
    caller: {
      id: caller.id,
      user: caller.ownerUser,
      project: caller.project,
      environment: caller.environment,
      tokenId: tokenId || null,
      role: null,
    },
    contract: null,
    get conversationKey() {
      return conversation().key;
    },
    get conversationKeySource() {
      return conversation().source;
    },
    pinnedIndex: null,
    get budget() {
      return budgetOf(scopesOf(call), parts.ledger.moment());
    },
    targets: filtered.eligible.map((target, index): TargetView =>
      viewOf(target, index, { signals: signalsOf(parts, target), now: call.ts })
    ),
    rejected: filtered.rejected,
  };
}

function conversationFacts(call: Call, group: Group): ConversationFacts {
  return {
    headers: call.headers,
    body: call.wire?.body ?? {},
    callerId: call.credential.caller.id,
    group: group.name,
    salt: call.snapshot.server.conversationSalt,
  };
}

/** A target is backed off when its health says so, or a shape that it must pass. */
function signalsOf({ health, upstreamShapes, now, clock }: Parts, target: Target): TargetSignals {
  const signals = health.signals(target);
  if (target.trafficShapes.length === 0) return signals;
  const until = upstreamShapes.backoffUntil(target.trafficShapes);
  if (until === null) return signals;
  const backoffUntil = Math.max(signals.backoffUntil ?? 0, Math.round(until + now() - clock()));
  return { ...signals, backoffUntil };
}

/** The first 4 bytes of the id's SHA-256: the same call draws alike in every process. */
function seedOf(id: string): number {
  return parseInt(hash("sha256", id, "hex").slice(0, 8), 16);
}

/** Why no target serves: only context size in the way is the caller's to mend; agents compact on that answer. */
export function noTarget(
  call: Call,
  group: Group,
  features: RequestFeatures,
  rejected: readonly RejectedTarget[],
): GatewayError {
  const onlyContext = rejected.some(({ reasons }) =>
    reasons.length === 1 && reasons[0] === CONTEXT_EXCEEDED
  );
  if (call.decoded instanceof GatewayError) return call.decoded;
  if (onlyContext) return contextExceeded(group, features.estimatedInputTokens);
  const requirements = requirementsOf(features);
  const reasons = new Set(rejected.flatMap((target) => target.reasons.slice(0, 1)));
  return new GatewayError(
    "no-eligible-target",
    `Cannot route: no target of group "${group.name}" takes this request on ${call.dialect.name}` +
      bridgeNote(rejected),
    {
      model: group.name,
      dialect: call.dialect.name,
      requirements,
      target_count: group.targets.length,
      hint: [...reasons].sort().join(", "),
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

/** Names what bridges could not carry: mostly one field in the way of an answer. */
function bridgeNote(rejected: readonly RejectedTarget[]): string {
  const reasons = rejected.flatMap(({ reasons }) => reasons)
    .filter((reason) => reason.startsWith("bridge-"));
  return reasons.length === 0 ? "" : ` (${[...new Set(reasons)].sort().join(", ")})`;
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
