import { hash } from "node:crypto";
import type { Call, Parts } from "./call.ts";
import {
  type Conversation,
  type ConversationFacts,
  type ConversationKeySource,
  conversationOf,
} from "./conversation.ts";
import { requirementsOf } from "./eligibility.ts";
import type { Filtered } from "./filter_targets.ts";
import { type Budget, budgetOf } from "./limits/standing.ts";
import { scopesOf } from "./reserve.ts";
import type { Group } from "./snapshot.ts";
import type { RouteContext, TargetView } from "./strategy.ts";
import { viewOf } from "./target_view.ts";

/** Everything the decision may depend on. */
export function contextOf(parts: Parts, call: Call, filtered: Filtered): RouteContext {
  return new CallContext(parts, call, filtered);
}

/** A context as the plain JSON that it stands for. */
export function plainContext(context: RouteContext): RouteContext {
  return {
    version: context.version,
    requestId: context.requestId,
    group: context.group,
    now: context.now,
    seed: context.seed,
    dialect: context.dialect,
    features: context.features,
    requirements: context.requirements,
    caller: context.caller,
    contract: context.contract,
    conversationKey: context.conversationKey,
    conversationKeySource: context.conversationKeySource,
    pinnedIndex: context.pinnedIndex,
    budget: context.budget,
    targets: context.targets,
    rejected: context.rejected,
  };
}

/**
 * The context of one call. Few decisions draw, or ask for names: what most do not read is made when it
 * is read, and stays. A class, as accessors of an object literal would keep all that they reach until
 * the next full collection (seen on V8 15).
 */
class CallContext implements RouteContext {
  readonly version = 1;
  readonly requestId: string;
  readonly group: string;
  readonly now: number;
  readonly dialect: RouteContext["dialect"];
  readonly features: RouteContext["features"];
  readonly caller: RouteContext["caller"];
  readonly contract = null;
  readonly pinnedIndex = null;
  readonly targets: readonly TargetView[];
  readonly rejected: RouteContext["rejected"];
  readonly #parts: Parts;
  readonly #call: Call;
  readonly #group: Group;
  #seed: number | null = null;
  #conversation: Conversation | null = null;
  #budget: Budget | null = null;

  constructor(parts: Parts, call: Call, { group, features, eligible, rejected }: Filtered) {
    const { caller, tokenId } = call.credential;
    this.requestId = call.id;
    this.group = group.name;
    this.now = call.ts;
    this.dialect = call.dialect.name;
    this.features = features;
    this.caller = {
      id: caller.id,
      user: caller.ownerUser,
      project: caller.project,
      environment: caller.environment,
      tokenId: tokenId || null,
      role: null,
    };
    this.targets = eligible.map((target, index): TargetView =>
      viewOf(target, index, { signals: parts.health.signals(target), now: call.ts })
    );
    this.rejected = rejected;
    this.#parts = parts;
    this.#call = call;
    this.#group = group;
  }

  get seed(): number {
    return this.#seed ??= seedOf(this.requestId);
  }

  get requirements(): readonly string[] {
    return requirementsOf(this.features);
  }

  get conversationKey(): string | null {
    return this.#known.key;
  }

  get conversationKeySource(): ConversationKeySource {
    return this.#known.source;
  }

  get budget(): Budget {
    return this.#budget ??= budgetOf(scopesOf(this.#call), this.#parts.ledger.moment());
  }

  toJSON(): RouteContext {
    return plainContext(this);
  }

  get #known(): Conversation {
    return this.#conversation ??= conversationOf(conversationFacts(this.#call, this.#group));
  }
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
