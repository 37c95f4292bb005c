import type { BreakerOptions } from "./breaker.ts";
import type { Contract, Validation } from "./contract_terms.ts";
import type { DialectName } from "./dialect_name.ts";
import type { ListedModel } from "./listed_model.ts";
import type { GroupEstimates } from "./features.ts";
import type { HedgeOptions } from "./hedge_budget.ts";
import type { CallerShape } from "./limits/caller_shapes.ts";
import type { UpstreamShape } from "./limits/upstream_shapes.ts";
import type { ScopeLimits } from "./limits/limit.ts";
import type { PolicyHostSettings } from "./policy_runner.ts";
import type { PolicySettings } from "./policy_settings.ts";
import type { RetryOptions } from "./retry.ts";
import type { Decider, GroupChoice } from "./strategy.ts";
import type { UsageDriver } from "./usage_driver.ts";

/** Integer nano-USD per million tokens (`image`, too) or per piece (`perImage`); `null` is unpriced. */
export interface Prices {
  readonly input: bigint | null;
  readonly cachedInput: bigint | null;
  readonly cacheWrite: bigint | null;
  readonly output: bigint | null;
  readonly image: bigint | null;
  readonly perImage: bigint | null;
  /** Where the prices come from and as of when (`YYYY-MM-DD`); empty when not stated. */
  readonly source: string;
  readonly updatedAt: string;
}

/** A provider as configured: one base URL, one dialect, one credential. */
export interface Provider {
  readonly name: string;
  /** Without a trailing slash; `builtin:<name>` names an in-process upstream. */
  readonly baseUrl: string;
  readonly dialect: DialectName;
  /** Header name (lower-case) and value that carry the credential; `null` when none is sent. */
  readonly credential: readonly [string, string] | null;
  /** True when a credential is declared and its value is empty. */
  readonly credentialMissing: boolean;
  /** Public label of the key; empty when not stated. */
  readonly keyId: string;
  readonly trafficShapes: readonly UpstreamShape[];
  /** Static headers, lower-case names. */
  readonly headers: Readonly<Record<string, string>>;
}

/** Reasoning of a target. */
export interface ReasoningSupport {
  readonly supported: boolean;
  readonly mode: "opt_in" | "always_on";
  readonly control: "effort_enum" | "token_budget";
  readonly efforts: readonly string[];
  readonly defaultOn: boolean;
  readonly supportsSummaries: boolean;
  /** How reasoning shows in its replies, by the field's name; `none`: it does not. */
  readonly streamBlock: string;
  readonly minBudgetTokens: number;
  readonly maxBudgetTokens: number | null;
  readonly budgetMustBeLessThanMaxTokens: boolean;
  readonly rejectsMaxTokens: boolean;
  readonly rejectsTemperature: boolean;
  readonly rejectsTopP: boolean;
}

/** Shapes of requests a target cannot take; `null` is "no limit". */
export interface RequestShapeSupport {
  readonly maxRequestBytes: number | null;
  readonly maxToolSchemaBytes: number | null;
  readonly maxEstimatedInputTokens: number | null;
  readonly minRequestedOutputTokens: number | null;
  readonly maxRequestedOutputTokens: number | null;
  readonly supportsLargeCodingAgentPayloads: boolean;
  readonly requiredInputModalities: readonly string[];
  readonly unsupportedRequestFeatures: ReadonlySet<string>;
}

/** One enabled target of a group, with its catalog model's facts folded in. */
export interface Target {
  /** Position in the group's `targets` as configured. */
  readonly groupIndex: number;
  /** Unique in the group. */
  readonly id: string;
  /** Provider, model and dialect: what breakers and signals belong to. */
  readonly key: string;
  readonly provider: Provider;
  /** The upstream id. */
  readonly model: string;
  readonly modelRef: string | null;
  readonly dialect: DialectName;
  readonly displayName: string | null;
  readonly tier: string | null;
  readonly region: string | null;
  readonly tags: readonly string[];
  readonly weight: number;
  readonly toolOnly: boolean;
  /** Its own limit per attempt, ms; `null`: the group's. */
  readonly timeoutMs: number | null;
  readonly inboundDialects: readonly DialectName[];
  /** `tools`, `tool_choice`, `parallel_tool_calls`, `structured_outputs`, `hosted_tools`. */
  readonly toolSupport: Readonly<Record<DialectName, readonly string[]>>;
  readonly inputModalities: readonly string[];
  readonly outputModalities: readonly string[];
  readonly contextTokens: number | null;
  readonly defaultOutputTokens: number;
  readonly honorsMaxTokens: boolean;
  readonly outputTokenField: "max_tokens" | "max_completion_tokens";
  /** How a bridge spells cache markers; `null`: as the dialect does. */
  readonly promptCacheMarkers: "breakpoint" | "cache_control" | "none" | null;
  readonly forceStoreFalse: boolean;
  /** Value of the `thinking` member injected when the caller sent none. */
  readonly defaultThinking: { readonly type: string; readonly budget_tokens?: number } | null;
  readonly reasoning: ReasoningSupport;
  readonly shape: RequestShapeSupport;
  readonly prices: Prices;
  /** What its attempts must pass: of its provider, its model, and its own. */
  readonly trafficShapes: readonly UpstreamShape[];
  /** How it was evaluated; `null` when that is not stated. */
  readonly validation: Validation | null;
}

/** Who may be given a reply that was made for somebody else. */
export type CacheScope = "caller" | "project" | "group";

/** Whether and how long replies of a group are given again. */
export interface GroupCache {
  readonly enabled: boolean;
  readonly scope: CacheScope;
  readonly ttlMs: number;
  readonly requireZeroTemperature: boolean;
}

/** Room for replies that are given again; sizes in bytes. */
export interface CacheSettings {
  readonly enabled: boolean;
  readonly maxBytes: number;
  readonly maxEntryBytes: number;
  readonly secondLevel: {
    readonly enabled: boolean;
    readonly maxEntryBytes: number;
    /** The key as written in its variable; empty when unset. Part of no fingerprint. */
    readonly secret: string;
  };
}

/** A policy that a group has beside its own. */
export interface SidePolicy extends Decider {
  /** The name it is asked under: one that no group can have. */
  readonly name: string;
  /** Name of the strategy that asks it. */
  readonly strategy: string;
  readonly policy: PolicySettings | null;
}

/** When a rollout is taken back; times in ms, rates and ratios from 0. */
export interface AutoRollback {
  readonly windowMs: number;
  /** Decisions of an arm in the window from which on they count. */
  readonly minDecisions: number;
  /** Share of decisions with a fault of the policy, and with one of time. */
  readonly maxErrorRate: number;
  readonly maxTimeoutRate: number;
  /** Of the new arm over the base; `null`: off. */
  readonly maxFailedCallRatio: number | null;
  readonly maxCostRatio: number | null;
}

/** Which calls the policy of a group decides about; the others are its base's. */
export interface Rollout {
  readonly percent: number;
  readonly by: "caller" | "conversation";
  readonly salt: string;
  /** `null`: the group's base strategy. */
  readonly base: SidePolicy | null;
  readonly autoRollback: AutoRollback | null;
  /** Names the block as it is written: a change of it ends a rollback. */
  readonly block: string;
}

/** A policy that is asked beside the one that serves. */
export interface Shadow extends SidePolicy {
  readonly samplePercent: number;
  /** Decisions that may wait for it. */
  readonly maxQueue: number;
}

/** What happens from a pressure on the caller's budget on (0 to 1, and beyond). */
export interface BudgetRule {
  /** `at:<pressure>`. */
  readonly name: string;
  readonly at: number;
  /** Targets with one of these come first. */
  readonly preferTags: readonly string[];
  /** Only targets with one of these serve, if there are any; empty: all. */
  readonly onlyTags: readonly string[];
}

/** How conversations stay with a target; times in ms. */
export interface AffinityOptions {
  readonly enabled: boolean;
  /** From the last use. */
  readonly ttlMs: number;
  readonly maxEntries: number;
  /** Name of the header that names a conversation. */
  readonly header: string;
  /** False: a pin is shown to the strategy and changes nothing itself. */
  readonly enforce: boolean;
}

/** A model group: the name callers use instead of a model. */
export interface Group extends Decider {
  readonly name: string;
  /** Name of the strategy that decides, with the group's options. */
  readonly strategy: string;
  /** What decides where the strategy does not. */
  readonly base: Decider;
  /** What decides, by name. */
  readonly choice: GroupChoice;
  /** The policy it asks; `null`: its strategy decides by itself. */
  readonly policy: PolicySettings | null;
  /** Whether its policies see the request itself. */
  readonly includeRequest: boolean;
  /** Enabled targets in config order; never empty. */
  readonly targets: readonly Target[];
  /** 0: only the total deadline. */
  readonly attemptTimeoutMs: number;
  /** 0: off. */
  readonly streamIdleTimeoutMs: number;
  readonly unknownLimits: "allow" | "reject";
  readonly retry: RetryOptions;
  /** `null`: off. */
  readonly hedge: HedgeOptions | null;
  readonly breaker: BreakerOptions;
  readonly affinity: AffinityOptions;
  /** From the lowest pressure. */
  readonly budgetRules: readonly BudgetRule[];
  readonly contract: Contract | null;
  readonly rollout: Rollout | null;
  readonly shadow: Shadow | null;
  readonly cache: GroupCache;
  readonly estimates: GroupEstimates;
  readonly listed: ListedModel;
  /** First 32 hex of SHA-256 over the group's settings without secrets. */
  readonly fingerprint: string;
}

/** An account that may call, as configured. */
export interface Caller {
  readonly id: string;
  readonly ownerUser: string;
  readonly project: string;
  readonly environment: string;
  readonly status:
    | "active"
    | "disabled"
    | "suspended"
    | "removed"
    | "archived"
    | "expired"
    | "rotated";
  /** Epoch ms; `null`: never. */
  readonly expiresAt: number | null;
  /** Names of the groups it may use, in config order. */
  readonly allow: ReadonlySet<string>;
  /** Whether it may read `/metrics`. */
  readonly metricsAdmin: boolean;
  /** Its own limits, which are counted even where none is set, and those of its project and user. */
  readonly limits: readonly ScopeLimits[];
  /** Whether its cost is limited, so that unpriced targets are not for it. */
  readonly costLimited: boolean;
  /** How its calls are paced; `null`: not at all. */
  readonly shape: CallerShape | null;
}

/** One accepted token of a caller. */
export interface Credential {
  readonly caller: Caller;
  /** SHA-256 of its token, 64 lower-case hex digits. */
  readonly digest: string;
  /** Public part of the token; empty when not stated. */
  readonly tokenId: string;
  /** Epoch ms until which a rotated token stays valid; `null` for the current one. */
  readonly validUntil: number | null;
}

/** Settings of the server that a call needs; sizes in bytes, times in ms. */
export interface ServerSettings {
  readonly listen: { readonly hostname: string; readonly port: number };
  /** Serving processes on that port. */
  readonly workers: number;
  readonly defaultModelGroup: string | null;
  readonly tokenIssuer: string;
  /** Mixed into the keys of conversations. */
  readonly conversationSalt: string;
  readonly exposeRouteHeaders: boolean;
  /** Whether a Responses body on the Chat path is a Responses call. */
  readonly toleratesResponsesBody: boolean;
  readonly exposeRejections: boolean;
  readonly maxRequestBytes: number;
  readonly bodyTimeoutMs: number;
  readonly shutdownGraceMs: number;
  readonly maxResponseBytes: number;
  readonly maxFrameBytes: number;
  readonly allowPrivateImageUrls: boolean;
  readonly logging: LoggingSettings;
  readonly usageDb: UsageDbSettings;
  readonly clientIp: ClientIpSettings;
  readonly ledger: LedgerSettings;
  readonly cache: CacheSettings;
  readonly policies: PolicyHostSettings;
  readonly metrics: MetricsSettings;
  readonly decisionTelemetry: TelemetrySettings;
  readonly diagnostics: DiagnosticSettings;
  readonly rollups: RollupSettings;
  readonly retention: RetentionSettings;
  readonly baselines: readonly BaselinePrices[];
}

/** What is recorded of decisions. */
export interface TelemetrySettings {
  readonly enabled: boolean;
  /** Share of calls that are recorded in full, percent. */
  readonly samplePercent: number;
  readonly contexts: boolean;
  readonly candidates: boolean;
  readonly cacheReasons: boolean;
  /** Rows per call. */
  readonly maxCandidates: number;
  readonly maxFilterReasons: number;
}

/** What is kept of a call besides its usage. */
export interface DiagnosticSettings {
  readonly enabled: boolean;
  readonly storeUpstreamErrors: boolean;
  /** Of one value that a provider said. */
  readonly maxErrorBytes: number;
}

/** Sums over calls by hour, day and month. */
export interface RollupSettings {
  readonly auto: boolean;
  /** 0: never. */
  readonly finalizeAfterDays: number;
}

/** What rows are kept and deleted together for. */
export const DATA_CLASSES = [
  "usage_detail",
  "usage_diagnostics",
  "decision_telemetry",
  "security_access_events",
  "content_capture",
] as const;
export type DataClass = typeof DATA_CLASSES[number];

/** How long the rows of a class stay. */
export interface RetentionRule {
  readonly dataClass: DataClass;
  readonly enabled: boolean;
  readonly days: number;
  readonly batchSize: number;
  readonly requireFinalizedRollup: boolean;
}

/** Which rows are deleted, and when. */
export interface RetentionSettings {
  readonly enabled: boolean;
  readonly dryRun: boolean;
  /** Minutes after midnight, UTC; `null`: only when told. */
  readonly runAtMinute: number | null;
  /** One for each class, in the order of `DATA_CLASSES`. */
  readonly rules: readonly RetentionRule[];
}

/** Prices that savings are measured against; nano-USD per million tokens. */
export interface BaselinePrices {
  readonly id: string;
  readonly name: string;
  readonly input: bigint;
  readonly cachedInput: bigint;
  readonly cacheWrite: bigint;
  readonly output: bigint;
}

/** What `/metrics` says, and where it is served without a token. */
export interface MetricsSettings {
  /** `null`: nowhere. */
  readonly listen: { readonly hostname: string; readonly port: number } | null;
  readonly callerLabel: boolean;
}

/** The journal and the console. Absolute paths. */
export interface LoggingSettings {
  readonly path: string;
  readonly rotateBytes: number;
  readonly keep: number;
  readonly fsync: "interval" | "call";
  readonly fsyncIntervalMs: number;
  /** 0: no bound. */
  readonly maxUnshippedBytes: number;
  readonly onFull: "refuse" | "warn";
  readonly level: "debug" | "info" | "warn" | "error";
  readonly format: "json" | "text";
}

/** The usage database. Absolute path. */
export interface UsageDbSettings {
  readonly enabled: boolean;
  readonly driver: UsageDriver;
  /** File of `sqlite`. */
  readonly path: string;
  /** URL of `postgres`: a secret. */
  readonly dsn: string | null;
  /** What a start may change of the schema. */
  readonly migrationPolicy: "auto-safe" | "validate" | "deployment-job";
  readonly shipIntervalMs: number;
  readonly shipBatch: number;
}

/** Where counters are kept, and what happens while they cannot be. */
export interface LedgerSettings {
  /** Absolute path of a Deno KV file, or the URL of a KV Connect server. */
  readonly path: string;
  /** Whether other processes count in the same store. */
  readonly shared: boolean;
  /** Whether no other gateway may use it. */
  readonly exclusive: boolean;
  /** Calls of limited callers while the store is down: refused, or admitted for `graceMs`. */
  readonly onFailure: "refuse" | "grace";
  readonly graceMs: number;
}

/** Whose forwarded headers tell a caller's address, and whether it is stored. */
export interface ClientIpSettings {
  /** CIDR blocks. */
  readonly trustedProxyCidrs: readonly string[];
  /** Lower-case header names, first match wins. */
  readonly headerOrder: readonly string[];
  readonly storeIp: boolean;
}

/** A configuration, compiled once and never changed. A call ends on the snapshot it began with. */
export interface Snapshot {
  readonly server: ServerSettings;
  readonly groups: ReadonlyMap<string, Group>;
  readonly callers: ReadonlyMap<string, Caller>;
  /** By lower-case hex SHA-256 of the token. */
  readonly credentials: ReadonlyMap<string, Credential>;
  /** Epoch ms at which it was compiled. */
  readonly loadedAt: number;
  /** First 32 hex of SHA-256 over all settings, and over the prices, without secrets. */
  readonly fingerprint: string;
  readonly pricingFingerprint: string;
}
