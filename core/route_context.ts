import { hash } from "node:crypto";
import type { Call, Parts } from "./call.ts";
import { type Conversation, type ConversationFacts, conversationOf } from "./conversation.ts";
import { requirementsOf } from "./eligibility.ts";
import type { Filtered } from "./filter_targets.ts";
import { type Budget, budgetOf } from "./limits/standing.ts";
import { scopesOf } from "./reserve.ts";
import type { Group } from "./snapshot.ts";
import type { RouteContext, TargetView } from "./strategy.ts";
import { viewOf } from "./target_view.ts";

/** Everything the decision may depend on. */
export function contextOf(parts: Parts, call: Call, filtered: Filtered): RouteContext {
  const { caller, tokenId } = call.credential;
  // Few decisions draw, or ask for names: what most do not read is made when it is read, and stays.
  let known: Conversation | null = null;
  const conversation = () => known ??= conversationOf(conversationFacts(call, filtered.group));
  let seed: number | null = null;
  let budget: Budget | null = null;
  return {
    version: 1,
    requestId: call.id,
    group: filtered.group.name,
    now: call.ts,
    get seed() {
      return seed ??= seedOf(call.id);
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
      return budget ??= budgetOf(scopesOf(call), parts.ledger.moment());
    },
    targets: filtered.eligible.map((target, index): TargetView =>
      viewOf(target, index, { signals: parts.health.signals(target), now: call.ts })
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

/** The first 4 bytes of the id's SHA-256: the same call draws alike in every process. */
function seedOf(id: string): number {
  return parseInt(hash("sha256", id, "hex").slice(0, 8), 16);
}
