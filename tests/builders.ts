import type { BreakerOptions } from "@/core/breaker.ts";
import type { ChatRequest } from "@/core/chat.ts";
import type { Contract } from "@/core/contract_terms.ts";
import { completeFeatures, type RequestFeatures, type WireFeatures } from "@/core/features.ts";
import { NOTHING_OBSERVED } from "@/core/observations.ts";
import type { RetryOptions } from "@/core/retry.ts";
import type {
  Caller,
  Credential,
  Group,
  Prices,
  Provider,
  RequestShapeSupport,
  Target,
} from "@/core/snapshot.ts";
import type {
  Asking,
  Plan,
  RouteContext,
  StrategyServices,
  TargetSignals,
} from "@/core/strategy.ts";
import { viewOf } from "@/core/target_view.ts";
import { tokenDigestHex, tokenIdOf } from "@/core/tokens.ts";
import { plainTarget, type TargetChanges } from "./dialect_target.ts";

/** 2026-11-20T12:00:00Z, the moment of tests that need one. */
export const NOW = Date.UTC(2026, 10, 20, 12);

/** What a test changes of a target; nested parts are merged. */
export type TargetParts = Omit<TargetChanges, "provider" | "shape" | "prices"> & {
  readonly provider?: Partial<Provider>;
  readonly shape?: Partial<RequestShapeSupport>;
  readonly prices?: Partial<Prices>;
};

/** A target of the dialect `openai-chat` that takes text and every kind of tool, without limits. */
export function targetOf({ provider, shape, prices, ...changes }: TargetParts = {}): Target {
  const plain = plainTarget(changes.dialect ?? "openai-chat", changes);
  return {
    ...plain,
    provider: { ...plain.provider, ...provider },
    shape: { ...plain.shape, ...shape },
    prices: { ...plain.prices, ...prices },
  };
}

/** Targets `acme/1`, `acme/2`, ... with these weights, each with a health of its own. */
export function targetsWeighing(weights: readonly number[]): readonly Target[] {
  return weights.map((weight, groupIndex) => {
    const model = String(groupIndex + 1);
    const id = `acme/${model}`;
    return targetOf({ groupIndex, id, key: `openai-chat ${id}`, model, weight });
  });
}

/** Limits of a breaker as the configuration defaults them. */
export const BREAKER: BreakerOptions = {
  enabled: true,
  consecutiveFailures: 5,
  errorRate: 0.5,
  minRequests: 20,
  windowMs: 30_000,
  openMs: 10_000,
  multiplier: 2,
  maxOpenMs: 300_000,
  accessOpenMs: 60_000,
  halfOpenProbes: 1,
};

/** How attempts follow one another as the configuration defaults it. */
export const RETRY: RetryOptions = {
  maxAttempts: 0,
  totalDeadlineMs: 600_000,
  jitterBaseMs: 50,
  jitterMaxMs: 1_000,
  budgetPercent: 0,
};

/** A contract that promises nothing. */
export const CONTRACT: Contract = {
  intendedWorkloads: [],
  shapes: null,
  regions: null,
  required: {
    inputModalities: [],
    outputModalities: [],
    toolFeatures: [],
    structuredOutputs: false,
    reasoning: false,
    minContextTokens: 0,
    honorsCaps: false,
  },
  floor: {
    requireTags: [],
    statuses: [],
    minQualityScore: null,
    minPassRate: null,
    maxAgeDays: null,
  },
  serveExpired: false,
  warnDays: 7,
  reported: { workload: "", bucket: "" },
  targets: null,
};

/** What a test changes of a group; nested parts are merged. */
type GroupParts = Partial<Omit<Group, "breaker" | "retry">> & {
  readonly breaker?: Partial<BreakerOptions>;
  readonly retry?: Partial<RetryOptions>;
};

/** The group `fast` with one target and the defaults of the configuration. */
export function groupOf({ breaker, retry, ...changes }: GroupParts = {}): Group {
  const targets = changes.targets ?? [targetOf()];
  return {
    name: "fast",
    strategy: "failover",
    decide: (): Plan => ({ targetIndex: 0 }),
    findings: null,
    base: { decide: (): Plan => ({ targetIndex: 0 }), findings: null },
    choice: {
      strategy: "failover",
      options: {},
      base: { strategy: "weighted", options: {} },
      fallsBack: false,
    },
    policy: null,
    includeRequest: false,
    targets,
    attemptTimeoutMs: 0,
    streamIdleTimeoutMs: 120_000,
    unknownLimits: "allow",
    retry: { ...RETRY, ...retry },
    hedge: null,
    breaker: { ...BREAKER, ...breaker },
    budgetRules: [],
    contract: null,
    rollout: null,
    shadow: null,
    affinity: {
      enabled: false,
      ttlMs: 600_000,
      maxEntries: 100_000,
      header: "x-router-session",
      enforce: true,
    },
    cache: { enabled: false, scope: "caller", ttlMs: 900_000, requireZeroTemperature: true },
    estimates: { imageTokens: 1_024, defaultOutputTokens: 4_096 },
    listed: {
      id: "fast",
      created: NOW / 1000,
      displayName: "fast",
      notes: null,
      contextTokens: null,
      maxOutputTokens: null,
      reasoning: null,
    },
    fingerprint: "0".repeat(32),
    ...changes,
  };
}

/** An active caller that may use the group `fast`. */
export function callerOf(changes: Partial<Caller> = {}): Caller {
  return {
    id: "ci",
    ownerUser: "ada",
    project: "apollo",
    environment: "prod",
    status: "active",
    expiresAt: null,
    allow: new Set(["fast"]),
    metricsAdmin: false,
    limits: [],
    costLimited: false,
    shape: null,
    ...changes,
  };
}

/** What the configuration holds of a token. */
export function credentialOf(token: string, changes: Partial<Credential> = {}): Credential {
  return {
    caller: callerOf(),
    digest: tokenDigestHex(token),
    tokenId: tokenIdOf(token),
    validUntil: null,
    ...changes,
  };
}

const WIRE: WireFeatures = {
  stream: false,
  temperatureSet: false,
  streamOptions: false,
  usageAsked: true,
  previousResponseId: false,
  messageCount: 1,
  turnCount: 1,
  textChars: 11,
  messageTextChars: 11,
  toolCount: 0,
  hasToolResults: false,
  hostedTools: [],
  toolChoice: "omitted",
  structuredOutput: "none",
  parallelToolCalls: null,
  imageCount: 0,
  audioCount: 0,
  fileCount: 0,
  inputModalities: ["text"],
  outputModalities: ["text"],
  outputCap: null,
  outputCapField: null,
  reasoning: { requested: false, kind: "none", effort: null, budgetTokens: null, source: null },
  metadataKeys: [],
  choices: 1,
  asciiChars: 11,
  otherChars: 0,
  mediaTokens: 0,
  imageUrls: [],
  shape: {
    inputTextBytes: 0,
    inputItems: 0,
    systemMessages: 0,
    developerMessages: 0,
    assistantMessages: 0,
    toolResults: 0,
    functionCallOutputs: 0,
    present: [],
  },
};

/** What a dialect reads from one message of the user, `hello world`. */
export function wireFeaturesOf(changes: Partial<WireFeatures> = {}): WireFeatures {
  return { ...WIRE, ...changes };
}

/** The features of one message of the user, `hello world`; an estimate of 10 tokens. */
export function featuresOf(changes: Partial<RequestFeatures> = {}): RequestFeatures {
  const sizes = { requestBytes: 100, toolSchemaBytes: 0 };
  const group = { imageTokens: 1_024, defaultOutputTokens: 4_096 };
  return { ...completeFeatures(WIRE, sizes, group), ...changes };
}

/** Signals of a target nothing is known of. */
export const NO_SIGNALS: TargetSignals = {
  ...NOTHING_OBSERVED,
  inputTokenRatio: null,
  inflight: 0,
  breaker: "closed",
  breakerUntil: null,
  backoffUntil: null,
};

/** What a strategy that decides by itself is handed. */
export const SERVICES: StrategyServices = {
  group: "fast",
  policies: null,
  base: () => ({ targetIndex: 0 }),
};

/** A decision nobody waits for. */
export const ASKING: Asking = {
  trial: false,
  remote: true,
  role: "serve",
  signal: new AbortController().signal,
  runs: [],
};

/** A context in which these targets are eligible. */
export function contextOf(
  targets: readonly Target[],
  changes: Partial<RouteContext> = {},
): RouteContext {
  return {
    version: 1,
    requestId: "req_0123456789abcdef0123456789abcdef",
    group: "fast",
    now: NOW,
    seed: 42,
    dialect: "openai-chat",
    features: featuresOf(),
    requirements: ["text"],
    caller: {
      id: "ci",
      user: "ada",
      project: "apollo",
      environment: "prod",
      tokenId: null,
      role: null,
    },
    contract: null,
    conversationKey: "ck_0123456789abcdef0123456789abcdef",
    conversationKeySource: "first_turn",
    pinnedIndex: null,
    budget: { day: null, month: null, pressure: 0 },
    targets: targets.map((target, index) =>
      viewOf(target, index, { signals: NO_SIGNALS, now: NOW })
    ),
    rejected: [],
    ...changes,
  };
}

/** The smallest request in the neutral form. */
export function chatRequestOf(changes: Partial<ChatRequest> = {}): ChatRequest {
  return {
    model: "fast",
    instructions: [],
    messages: [],
    tools: [],
    output: { type: "text" },
    stop: [],
    sampling: {},
    stream: false,
    includeUsage: false,
    cacheAuto: false,
    extra: {},
    ...changes,
  };
}
