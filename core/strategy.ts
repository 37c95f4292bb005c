import type { z } from "zod";
import type { ExternalPolicyConfig } from "./config/schema_policies.ts";
import type { ConversationKeySource } from "./conversation.ts";
import type { DialectName } from "./dialect_name.ts";
import type { RequestFeatures } from "./features.ts";
import type { JsonObject } from "./json.ts";
import type { Budget } from "./limits/standing.ts";
import type { PolicyFault } from "./policy_fault.ts";
import type { PolicySettings } from "./policy_settings.ts";

/** What is observed of a target; `null`: nothing yet. Rates 0..1, times in ms, `...Until` epoch ms. */
export interface TargetSignals {
  readonly inflight: number;
  readonly observations: number;
  readonly successes: number;
  readonly p50LatencyMs: number | null;
  readonly p95LatencyMs: number | null;
  readonly p50TtfbMs: number | null;
  readonly outputTokensPerSec: number | null;
  readonly errorRate: number | null;
  readonly timeoutRate: number | null;
  readonly meanOutputTokens: number | null;
  readonly cachedInputShare: number | null;
  readonly inputTokenRatio: number | null;
  readonly breaker: "closed" | "open" | "half_open";
  readonly breakerUntil: number | null;
  readonly backoffUntil: number | null;
}

/** A target as strategies and policies see it: names, capabilities and prices, no secrets. */
export interface TargetView {
  /** Position in `RouteContext.targets`. */
  readonly index: number;
  /** Position in the group as configured. */
  readonly groupIndex: number;
  readonly id: string;
  readonly provider: string;
  readonly model: string;
  readonly modelRef: string | null;
  readonly dialect: DialectName;
  readonly displayName: string | null;
  readonly tier: string | null;
  readonly region: string | null;
  readonly tags: readonly string[];
  readonly weight: number;
  readonly toolOnly: boolean;
  readonly keyId: string | null;
  readonly honorsMaxTokens: boolean;
  readonly contextTokens: number | null;
  readonly inputModalities: readonly string[];
  readonly outputModalities: readonly string[];
  readonly toolSupport: Readonly<Record<DialectName, readonly string[]>>;
  readonly reasoning: { readonly mode: string; readonly control: string } | null;
  /** Nano-USD per million tokens; `perImage` per piece. `null`: unpriced, 0: free. */
  readonly prices: Readonly<
    Record<"input" | "cachedInput" | "cacheWrite" | "output" | "image" | "perImage", number | null>
  >;
  /** How it was evaluated; `null`: it was not. `ageDays` are whole days. */
  readonly validation: {
    readonly status: string;
    readonly ageDays: number | null;
    readonly qualityScore: number | null;
    readonly passRate: number | null;
  } | null;
  readonly signals: TargetSignals;
}

/** A target that cannot serve this request, and every reason why. */
export interface RejectedTarget {
  readonly id: string;
  readonly provider: string;
  readonly model: string;
  readonly reasons: readonly string[];
}

/**
 * Everything a decision may depend on; plain JSON. It holds the only clock (`now`, epoch ms) and the
 * only randomness (`seed`, uint32): the same context gives the same plan.
 */
export interface RouteContext {
  readonly version: 1;
  readonly requestId: string;
  readonly group: string;
  readonly now: number;
  readonly seed: number;
  /** The caller's. */
  readonly dialect: DialectName;
  readonly features: RequestFeatures;
  readonly requirements: readonly string[];
  readonly caller: {
    readonly id: string;
    readonly user: string | null;
    readonly project: string | null;
    readonly environment: string | null;
    readonly tokenId: string | null;
    readonly role: string | null;
  };
  /** What the group promises; `null`: nothing. */
  readonly contract: {
    readonly intendedWorkloads: readonly string[];
    readonly requireTags: readonly string[];
    readonly minEvalQualityScore: number | null;
  } | null;
  /** `ck_` and 32 hex digits; `null`: nothing tells the conversation. */
  readonly conversationKey: string | null;
  readonly conversationKeySource: ConversationKeySource;
  /** Index into `targets` of the target that the conversation is pinned to. */
  readonly pinnedIndex: number | null;
  /** How far the limits of the caller, its project and its user are used up. */
  readonly budget: Budget;
  /** Eligible, in config order, never empty. */
  readonly targets: readonly TargetView[];
  readonly rejected: readonly RejectedTarget[];
  /**
   * With `include_request` alone: system text, messages and tool results. This and the members below
   * are content: policies see them, and no record holds them.
   */
  readonly text?: string;
  /** The body as the caller sent it, without media; absent when it is too long. */
  readonly request?: JsonObject;
  /** Whether the request was left out and `text` is its end. */
  readonly truncated?: boolean;
}

/** A target by its id, or by provider and model. */
export type TargetSelector = string | { readonly provider: string; readonly model: string };

/** What a strategy decides: a first target, and the ones to fall back to. */
export interface Plan {
  /** Index into `RouteContext.targets`; this or `target`. */
  readonly targetIndex?: number;
  readonly target?: TargetSelector;
  /** At most one of the two; absent: all other eligible targets in context order; `[]`: no retry. */
  readonly fallbackIndexes?: readonly number[];
  readonly fallbacks?: readonly TargetSelector[];
  /** A label for reports, `[A-Za-z0-9_.:-]{1,64}`. */
  readonly classLabel?: string;
  readonly metadata?: Readonly<Record<string, string | number | boolean | null>>;
}

/** A plan that holds: indexes into the context's targets, the first one first, none twice. */
export interface CheckedPlan {
  readonly order: readonly number[];
  readonly classLabel: string | null;
}

/** As whom a policy is asked: it serves, it is being rolled out, or it only runs beside. */
export type PolicyRole = "serve" | "rollout" | "shadow";

/** How a decision is asked for. */
export interface Asking {
  /** It is only looked at: a fault of a policy counts for nothing. */
  readonly trial: boolean;
  /** Whether a policy that another server holds may be asked. */
  readonly remote: boolean;
  readonly role: PolicyRole;
  /** Aborted as soon as nobody waits for the decision. */
  readonly signal: AbortSignal;
  /** Takes the runs of policies, in their order. */
  readonly runs: PolicyRun[];
}

/**
 * Decides about one call.
 *
 * @throws {GatewayError} `routing-policy-error` when a policy that must decide does not
 */
export type Decide = (context: RouteContext, asking: Asking) => Plan | Promise<Plan>;

/** What a strategy says of a plan it made. */
export interface Findings {
  /** The first target was drawn to learn about it. */
  readonly explored: boolean;
  /** Too little is known of a target for scores to count. */
  readonly coldStart: boolean;
  /** Every target is beyond a threshold. */
  readonly overThreshold: boolean;
  /** `null`: it does not score targets. */
  readonly scores: TargetScores | null;
}

/** One summand of the scores of a decision: a score times a coefficient, for each target. */
export interface ScoreSummand {
  /** Name of the term that it is part of. */
  readonly term: string;
  readonly score: string;
  readonly coefficient: number;
  /** In [0, 1], by index of the target; 0 for one that the term does not count for. */
  readonly values: readonly number[];
}

/** How targets were scored; numbers by index of the target. */
export interface TargetScores {
  readonly summands: readonly ScoreSummand[];
  readonly raw: readonly number[];
  readonly final: readonly number[];
  /** Too little is known of it for its scores to count. */
  readonly cold: readonly boolean[];
  /** It is beyond a threshold. */
  readonly over: readonly boolean[];
}

/** A strategy with the options of a group. */
export interface Decider {
  readonly decide: Decide;
  /** Looks at a context it decided about; `null`: there is nothing to say. */
  readonly findings: ((context: RouteContext) => Findings) | null;
}

/** What asking a policy took; whole microseconds and bytes, `null` where there is no such thing. */
export interface PolicyCost {
  readonly durationUs: number;
  /** Of that, waiting for a place. */
  readonly queueUs: number;
  /** Number of the process that decided. */
  readonly hostId: number | null;
  readonly responseBytes: number | null;
}

/** A plan that was checked, or why there is none. */
export type PolicyOutcome =
  | { readonly kind: "plan"; readonly plan: Plan; readonly checked: CheckedPlan }
  | {
    readonly kind: "fault";
    readonly fault: PolicyFault;
    /** What is wrong with the plan, in words that hold nothing of it; `null`: there was no plan. */
    readonly problem: string | null;
  };

/** What came of asking a policy. `digest` is the SHA-256 of its bundle in hex; `null`: it has none. */
export type PolicyVerdict = PolicyOutcome & {
  readonly digest: string | null;
  readonly cost: PolicyCost;
};

/** What becomes of a decision of a group whose policy does not run. */
export const UNAVAILABLE: PolicyVerdict = {
  kind: "fault",
  fault: "policy-unavailable",
  problem: null,
  digest: null,
  cost: { durationUs: 0, queueUs: 0, hostId: null, responseBytes: null },
};

/** One run of a policy: what metrics and records tell of it. */
export interface PolicyRun {
  readonly role: PolicyRole;
  readonly kind: PolicySettings["kind"];
  readonly digest: string | null;
  /** `fallback`: it failed, and the base strategy decided. */
  readonly outcome: "success" | "fallback" | "error";
  readonly fault: PolicyFault | null;
  /** What is wrong with its plan, in words that hold nothing of it. */
  readonly problem: string | null;
  /** `null` where it failed. */
  readonly plan: CheckedPlan | null;
  readonly cost: PolicyCost;
}

/** Asks the policies of groups, away from the gateway. */
export interface PolicyDecider {
  /**
   * Asks the policy of a group; a plan was checked against the context. A policy in quarantine is
   * asked for a trial all the same, and the outcome counts for none.
   *
   * @throws the reason of `asking.signal` once that is aborted; nothing else
   */
  decide(group: string, context: RouteContext, asking: Asking): Promise<PolicyVerdict>;
}

/** What a strategy is handed beside its options. */
export interface StrategyServices {
  /** Name of the group. */
  readonly group: string;
  /** `null` where nothing is decided. */
  readonly policies: PolicyDecider | null;
  /** The group's `base_strategy`. */
  readonly base: Decide;
}

/** A strategy, by name, and its options as its schema read them. */
export interface StrategyChoice {
  readonly strategy: string;
  /** `null` where a policy decides. */
  readonly options: unknown;
}

/** What decides about a group, and what does where a policy fails and the group says `fallback`. */
export interface GroupChoice extends StrategyChoice {
  readonly base: StrategyChoice;
  readonly fallsBack: boolean;
}

/** Orders the eligible targets of a group. Built-in, user-written or remote: the contract is the same. */
export interface Strategy<Options = unknown> {
  readonly name: string;
  /** Keys of the group that belong to this strategy; strict. */
  readonly options: z.ZodObject & z.ZodType<Options>;
  create(options: Options, services: StrategyServices): Decide;
  /** Tells how it came to a plan, from the context alone; without this member there is nothing to tell. */
  findings?(options: Options): (context: RouteContext) => Findings;
  /**
   * The policy it asks, `null` when these options say that it asks none; a strategy without this
   * member decides by itself.
   *
   * @param folder absolute; what relative paths start at
   */
  policy?(options: Options, folder: string): PolicySettings | null;
  /** A policy that decides beside the base strategy about every call; `null`, or without this member: none. */
  shadow?(options: Options): ExternalPolicyConfig | null;
  /** Its options without secrets; without this member they hold none. */
  recorded?(options: Options): unknown;
}
