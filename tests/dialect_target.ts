import type { DialectName } from "@/core/dialect_name.ts";
import { completeFeatures, type RequestFeatures } from "@/core/features.ts";
import { readWire } from "@/core/scan.ts";
import type { ReasoningSupport, Target } from "@/core/snapshot.ts";
import { splice } from "@/core/splice.ts";
import type { Edit, WireRequest } from "@/core/wire.ts";
import { dialects } from "@/dialects/mod.ts";

/** What a test changes of the plain target. */
export type TargetChanges = Partial<Omit<Target, "reasoning">> & {
  readonly reasoning?: Partial<ReasoningSupport>;
};

const REASONING: ReasoningSupport = {
  supported: true,
  mode: "opt_in",
  control: "effort_enum",
  efforts: ["low", "medium", "high"],
  defaultOn: false,
  supportsSummaries: false,
  streamBlock: "none",
  minBudgetTokens: 1_024,
  maxBudgetTokens: null,
  budgetMustBeLessThanMaxTokens: true,
  rejectsMaxTokens: false,
  rejectsTemperature: false,
  rejectsTopP: false,
};

/** A target with the upstream id `up-1` and the defaults of the configuration. */
export function plainTarget(dialect: DialectName, changes: TargetChanges = {}): Target {
  const tools = ["tools", "tool_choice", "parallel_tool_calls", "structured_outputs"];
  return {
    groupIndex: 0,
    id: "acme/up-1",
    key: "acme/up-1",
    provider: {
      name: "acme",
      baseUrl: "https://api.acme.example/v1",
      dialect,
      credential: null,
      credentialMissing: false,
      keyId: "",
      headers: {},
      trafficShapes: [],
    },
    model: "up-1",
    modelRef: null,
    dialect,
    displayName: null,
    tier: null,
    region: null,
    tags: [],
    weight: 1,
    toolOnly: false,
    timeoutMs: null,
    inboundDialects: [dialect],
    toolSupport: { "anthropic": tools, "openai-chat": tools, "openai-responses": tools },
    inputModalities: ["text"],
    outputModalities: ["text"],
    contextTokens: null,
    defaultOutputTokens: 4_096,
    honorsMaxTokens: true,
    outputTokenField: "max_tokens",
    promptCacheMarkers: null,
    forceStoreFalse: false,
    defaultThinking: null,
    trafficShapes: [],
    shape: {
      maxRequestBytes: null,
      maxToolSchemaBytes: null,
      maxEstimatedInputTokens: null,
      minRequestedOutputTokens: null,
      maxRequestedOutputTokens: null,
      supportsLargeCodingAgentPayloads: true,
      requiredInputModalities: [],
      unsupportedRequestFeatures: new Set(),
    },
    prices: {
      input: null,
      cachedInput: null,
      cacheWrite: null,
      output: null,
      image: null,
      perImage: null,
      source: "",
      updatedAt: "",
    },
    validation: null,
    ...changes,
    reasoning: { ...REASONING, ...changes.reasoning },
  };
}

/** A body as text, read. */
export function wireOf(body: string | Uint8Array<ArrayBuffer>): WireRequest {
  return readWire(typeof body === "string" ? new TextEncoder().encode(body) : body);
}

/** What a dialect makes of a body for a target. */
export function prepared(
  wire: WireRequest,
  target: Target,
  keeps: (proof: string) => boolean = () => true,
): Prepared {
  const dialect = dialects.get(target.dialect);
  const features = completeFeatures(
    dialect.features(wire),
    { requestBytes: wire.bytes.length, toolSchemaBytes: 0 },
    { imageTokens: 1_024, defaultOutputTokens: target.defaultOutputTokens },
  );
  const edits = dialect.edits(wire, features, target, keeps);
  return { features, edits, bytes: splice(wire.bytes, edits) };
}

/** Features, edits and the body that goes upstream. */
interface Prepared {
  readonly features: RequestFeatures;
  readonly edits: readonly Edit[];
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** The body that goes upstream, as text. */
export function sent(dialect: DialectName, body: string, changes: TargetChanges = {}): string {
  return new TextDecoder().decode(prepared(wireOf(body), plainTarget(dialect, changes)).bytes);
}
