import { requirementsOf } from "../../core/eligibility.ts";
import type { RequestFeatures } from "../../core/features.ts";
import type { RouteContext, TargetSignals, TargetView } from "../../core/strategy.ts";

/** A value of which a test states only what matters to it. */
export type Stated<Value> = Value extends readonly unknown[] ? Value
  : Value extends object ? { readonly [Key in keyof Value]?: Stated<Value[Key]> }
  : Value;

/** What a test states of a context; targets are numbered by their place. */
export type StatedContext = Stated<Omit<RouteContext, "targets" | "version">> & {
  readonly targets?: readonly Stated<Omit<TargetView, "index">>[];
};

/** A whole, valid context of what is stated: one short question of a user, and one target. */
export function context({ targets = [{}], ...stated }: StatedContext = {}): RouteContext {
  const features = merged<RequestFeatures>(FEATURES, stated.features);
  return merged<RouteContext>({
    version: 1,
    requestId: "req_00000000000000000000000000000000",
    group: "test",
    now: Date.UTC(2026, 0, 1),
    seed: 42,
    dialect: "openai-chat",
    features,
    requirements: requirementsOf(features),
    caller: {
      id: "test",
      user: null,
      project: null,
      environment: null,
      tokenId: null,
      role: null,
    },
    contract: null,
    conversationKey: null,
    conversationKeySource: "anonymous",
    pinnedIndex: null,
    budget: { day: null, month: null, pressure: 0 },
    targets: targets.map((stated, index) => ({
      ...merged<TargetView>(TARGET, stated),
      index,
      groupIndex: stated.groupIndex ?? index,
      id: stated.id ?? `${stated.provider ?? TARGET.provider}/${stated.model ?? TARGET.model}`,
    })),
    rejected: [],
  }, { ...stated, features });
}

/** Objects are merged, everything else is replaced. */
function merged<Value>(whole: Value, stated: Stated<Value> | undefined): Value {
  if (stated === undefined) return whole;
  if (!isPlain(whole) || !isPlain(stated)) return stated as Value;
  const entries = Object.entries(stated).filter(([_, value]) => value !== undefined)
    .map(([key, value]) => [key, merged<unknown>(whole[key], value)]);
  return { ...whole, ...Object.fromEntries(entries) };
}

function isPlain(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

const FEATURES: RequestFeatures = {
  stream: false,
  temperatureSet: false,
  streamOptions: false,
  usageAsked: false,
  previousResponseId: false,
  messageCount: 1,
  turnCount: 1,
  textChars: 40,
  messageTextChars: 40,
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
  asciiChars: 40,
  otherChars: 0,
  mediaTokens: 0,
  requestBytes: 120,
  toolSchemaBytes: 0,
  reservedOutputTokens: 4_096,
  estimatedInputTokens: 17,
  estimatedToolTokens: 0,
  estimatedImageTokens: 0,
  complexity: "trivial",
};

const SIGNALS: TargetSignals = {
  inflight: 0,
  observations: 0,
  successes: 0,
  p50LatencyMs: null,
  p95LatencyMs: null,
  p50TtfbMs: null,
  outputTokensPerSec: null,
  errorRate: null,
  timeoutRate: null,
  meanOutputTokens: null,
  cachedInputShare: null,
  inputTokenRatio: null,
  breaker: "closed",
  breakerUntil: null,
  backoffUntil: null,
};

const TARGET: TargetView = {
  index: 0,
  groupIndex: 0,
  id: "alpha/m1",
  provider: "alpha",
  model: "m1",
  modelRef: null,
  dialect: "openai-chat",
  displayName: null,
  tier: null,
  region: null,
  tags: [],
  weight: 1,
  toolOnly: false,
  keyId: null,
  honorsMaxTokens: true,
  contextTokens: null,
  inputModalities: ["text"],
  outputModalities: ["text"],
  toolSupport: { "openai-chat": [], "openai-responses": [], "anthropic": [] },
  reasoning: null,
  prices: {
    input: null,
    cachedInput: null,
    cacheWrite: null,
    output: null,
    image: null,
    perImage: null,
  },
  validation: null,
  signals: SIGNALS,
};
