import { hash } from "node:crypto";
import type { Call, Parts } from "./call.ts";
import { budgetIn, conversationIn } from "./call_facts.ts";
import { contractView } from "./contract.ts";
import type { ConversationKeySource } from "./conversation.ts";
import { requirementsOf } from "./eligibility.ts";
import type { Filtered } from "./filter_targets.ts";
import type { Budget } from "./limits/standing.ts";
import { requestContent } from "./request_content.ts";
import type { Group } from "./snapshot.ts";
import type { RouteContext, TargetView } from "./strategy.ts";
import { viewOf } from "./target_view.ts";

/** Everything the decision may depend on. */
export function contextOf(
  parts: Parts,
  call: Call,
  filtered: Filtered,
  pinnedIndex: number | null,
): RouteContext {
  return new CallContext(parts, call, filtered, pinnedIndex);
}

/** A context as the plain JSON that it stands for, without the content that a group's policy may see. */
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

/** A context as its group's policies are given it: plain, with the content that they may see. */
export function givenContext(context: RouteContext): RouteContext {
  return context instanceof CallContext ? context.toJSON() : plainContext(context);
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
  readonly contract: RouteContext["contract"];
  readonly pinnedIndex: number | null;
  readonly targets: readonly TargetView[];
  readonly rejected: RouteContext["rejected"];
  readonly #parts: Parts;
  readonly #call: Call;
  readonly #group: Group;
  #seed: number | null = null;

  constructor(
    parts: Parts,
    call: Call,
    { group, features, eligible, rejected }: Filtered,
    pinnedIndex: number | null,
  ) {
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
    this.contract = group.contract && contractView(group.contract);
    this.pinnedIndex = pinnedIndex;
    this.#parts = parts;
    this.#call = call;
    this.#group = group;
  }

  get seed(): number {
    const { affinity } = this.#group;
    return this.#seed ??= seedOf((affinity.enabled && this.conversationKey) || this.requestId);
  }

  get requirements(): readonly string[] {
    return requirementsOf(this.features);
  }

  get conversationKey(): string | null {
    return conversationIn(this.#parts, this.#call, this.#group).key;
  }

  get conversationKeySource(): ConversationKeySource {
    return conversationIn(this.#parts, this.#call, this.#group).source;
  }

  get budget(): Budget {
    return budgetIn(this.#parts, this.#call);
  }

  /** What policies are given. */
  toJSON(): RouteContext {
    const plain = plainContext(this);
    return this.#group.includeRequest ? { ...plain, ...requestContent(this.#call) } : plain;
  }
}

/** The first 4 bytes of the SHA-256: the same conversation, or call, draws alike in every process. */
function seedOf(id: string): number {
  return parseInt(hash("sha256", id, "hex").slice(0, 8), 16);
}
