import { hash } from "node:crypto";
import type { PinFound } from "./pins.ts";
import type { Call, Parts } from "./call.ts";
import { type Conversation, conversationOf } from "./conversation.ts";
import { requirementsOf } from "./eligibility.ts";
import type { Filtered } from "./filter_targets.ts";
import { type Budget, budgetOf } from "./limits/standing.ts";
import { scopesOf } from "./reserve.ts";
import type { Group } from "./snapshot.ts";
import type { RouteContext, TargetView } from "./strategy.ts";
import { viewOf } from "./target_view.ts";

/** What was found out about a call before it is decided about. */
export interface ContextFacts {
  readonly filtered: Filtered;
  conversation(): Conversation;
  readonly pin: PinFound;
}

/** Everything the decision may depend on. */
export function contextOf(
  parts: Parts,
  call: Call,
  { filtered, conversation, pin }: ContextFacts,
): RouteContext {
  const { caller, tokenId } = call.credential;
  const { affinity, name } = filtered.group;
  // Few decisions draw, or ask for names: what most do not read is made when it is read, and stays.
  let seed: number | null = null;
  let budget: Budget | null = null;
  return {
    version: 1,
    requestId: call.id,
    group: name,
    now: call.ts,
    get seed() {
      return seed ??= seedOf(affinity.enabled ? conversation().key ?? call.id : call.id);
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
    pinnedIndex: pin.index,
    get budget() {
      return budget ??= budgetOf(scopesOf(call), parts.ledger.moment());
    },
    targets: filtered.eligible.map((target, index): TargetView =>
      viewOf(target, index, { signals: parts.health.signals(target), now: call.ts })
    ),
    rejected: filtered.rejected,
  };
}

/** The conversation of a call, found when it is first asked for. */
export function conversationFinder(
  { conversationSalt }: Parts,
  { headers, wire, credential, snapshot }: Call,
  { name, affinity }: Group,
): () => Conversation {
  let found: Conversation | null = null;
  return () =>
    found ??= conversationOf({
      headers,
      header: affinity.header,
      body: wire?.body ?? {},
      callerId: credential.caller.id,
      group: name,
      salt: snapshot.server.conversationSalt || conversationSalt,
    });
}

/** The first 4 bytes of the SHA-256: the same conversation, or call, draws alike in every process. */
function seedOf(id: string): number {
  return parseInt(hash("sha256", id, "hex").slice(0, 8), 16);
}
