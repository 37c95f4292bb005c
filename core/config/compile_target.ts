import { type DialectName, perDialect } from "../dialect_name.ts";
import type {
  Prices,
  Provider,
  ReasoningSupport,
  RequestShapeSupport,
  Target,
} from "../snapshot.ts";
import { builtinOf } from "./check_providers.ts";
import { compileUpstreamShape } from "./compile_shapes.ts";
import type { TargetConfig } from "./schema_groups.ts";
import { type CatalogModelConfig, TOOL_FEATURES } from "./schema_models.ts";

/** What a target says of itself and what its catalog model says; the target's key wins whole. */
type Capabilities = Omit<CatalogModelConfig, "model">;

/** What the group adds to a target. */
export interface TargetPlace {
  /** Name of the group. */
  readonly group: string;
  readonly groupIndex: number;
  readonly id: string;
  readonly provider: Provider;
  /** The catalog model, when the target refers to one. */
  readonly catalog: CatalogModelConfig | null;
}

/** A target, compiled, and what only its group needs of it. */
export interface CompiledTarget {
  readonly target: Target;
  /** Tokens an image counts for. */
  readonly imageTokens: number;
}

/** Folds a target, its catalog model and the defaults into one. */
export function compileTarget(config: TargetConfig, place: TargetPlace): CompiledTarget {
  const { provider, catalog } = place;
  const model = catalog?.model ?? config.model ?? "";
  const dialect = config.dialect ?? provider.dialect;
  const isEcho = builtinOf(provider.baseUrl) !== null;
  const facts: Capabilities = {
    ...(isEcho ? echoCapabilities() : {}),
    ...stated(catalog ?? {}),
    ...stated(config),
  };
  const identity = { config, place, model, dialect };
  return { target: fold(identity, facts), imageTokens: facts.image_tokens ?? 1024 };
}

interface Identity {
  readonly config: TargetConfig;
  readonly place: TargetPlace;
  readonly model: string;
  readonly dialect: DialectName;
}

function fold({ config, place, model, dialect }: Identity, facts: Capabilities): Target {
  return {
    groupIndex: place.groupIndex,
    id: place.id,
    key: `${dialect} ${place.provider.name} ${model}`,
    provider: place.provider,
    model,
    modelRef: config.model_ref ?? null,
    dialect,
    displayName: config.display_name ?? null,
    tier: facts.tier ?? null,
    region: config.region ?? null,
    tags: config.tags,
    weight: config.weight,
    toolOnly: config.tool_only,
    timeoutMs: config.timeout_ms ?? null,
    inboundDialects: facts.inbound_dialects ?? [dialect],
    toolSupport: toolSupport(facts),
    inputModalities: facts.input_modalities ?? ["text"],
    outputModalities: facts.output_modalities ?? ["text"],
    contextTokens: facts.context_tokens ?? null,
    defaultOutputTokens: facts.default_output_tokens ?? 4096,
    honorsMaxTokens: facts.honors_max_tokens ?? true,
    outputTokenField: facts.output_token_field ?? "max_tokens",
    promptCacheMarkers: facts.prompt_cache_markers ?? null,
    forceStoreFalse: facts.force_store_false ?? false,
    defaultThinking: defaultThinking(facts, dialect),
    reasoning: reasoning(facts, dialect),
    shape: requestShape(facts),
    prices: prices(facts),
    validation: validation(config),
    trafficShapes: trafficShapes(config, place),
  };
}

function validation({ validation: stated }: TargetConfig): Target["validation"] {
  if (!stated) return null;
  const { status = "pending", workload = "", validated_at, quality_score, pass_rate } = stated;
  return {
    status,
    workload,
    validatedAt: validated_at === undefined ? null : Date.parse(`${validated_at}T00:00:00Z`),
    qualityScore: quality_score ?? null,
    passRate: pass_rate ?? null,
  };
}

/** The shapes an attempt must pass: they add up, from the provider to the target. */
function trafficShapes(config: TargetConfig, place: TargetPlace): Target["trafficShapes"] {
  const { provider, catalog, group, id } = place;
  const model = `${provider.name}/${config.model_ref ?? ""}`;
  return [
    ...provider.trafficShapes,
    ...compileUpstreamShape("model", model, catalog?.traffic_shape),
    ...compileUpstreamShape("target", `${group}/${id}`, config.traffic_shape),
  ];
}

/** The keys that are written. */
function stated(config: Capabilities): Partial<Capabilities> {
  return Object.fromEntries(Object.entries(config).filter(([_, value]) => value !== undefined));
}

/** An in-process upstream can do everything, and is free. */
function echoCapabilities(): Capabilities {
  return {
    tool_support: perDialect(() => [...TOOL_FEATURES]),
    input_modalities: ["text", "image"],
    context_tokens: 128_000,
    reasoning: {
      supported: true,
      mode: "opt_in",
      control: "effort_enum",
      efforts: ["low", "medium", "high"],
      default_on: false,
      supports_summaries: false,
      stream_block: "none",
      min_budget_tokens: 1024,
      rejects_max_tokens: false,
      rejects_temperature: false,
      rejects_top_p: false,
    },
    input_price_per_million_usd: 0n,
    output_price_per_million_usd: 0n,
    image_input_price_per_image_usd: 0n,
  };
}

function toolSupport({ tool_support: stated }: Capabilities): Target["toolSupport"] {
  return perDialect((name) => stated?.[name] ?? []);
}

function defaultThinking(facts: Capabilities, dialect: DialectName): Target["defaultThinking"] {
  switch (dialect) {
    case "anthropic": {
      const thinking = facts.default_thinking;
      if (!thinking) return null;
      const { type, budget_tokens } = thinking;
      return budget_tokens === undefined ? { type } : { type, budget_tokens };
    }
    case "openai-chat":
      return facts.default_openai_chat_thinking ?? null;
    case "openai-responses":
      return null;
  }
}

function reasoning(facts: Capabilities, dialect: DialectName): ReasoningSupport {
  const config = facts.reasoning;
  return {
    supported: config?.supported ?? false,
    mode: config?.mode ?? "opt_in",
    control: config?.control ?? "effort_enum",
    efforts: config?.efforts ?? ["low", "medium", "high"],
    defaultOn: config?.default_on ?? false,
    supportsSummaries: config?.supports_summaries ?? false,
    streamBlock: config?.stream_block ?? "none",
    minBudgetTokens: config?.min_budget_tokens ?? 1024,
    maxBudgetTokens: config?.max_budget_tokens ?? null,
    budgetMustBeLessThanMaxTokens: config?.budget_must_be_less_than_max_tokens ??
      dialect === "anthropic",
    rejectsMaxTokens: config?.rejects_max_tokens ?? false,
    rejectsTemperature: config?.rejects_temperature ?? false,
    rejectsTopP: config?.rejects_top_p ?? false,
  };
}

function requestShape({ request_shape_support: shape }: Capabilities): RequestShapeSupport {
  return {
    maxRequestBytes: shape?.max_request_bytes ?? null,
    maxToolSchemaBytes: shape?.max_tool_schema_bytes ?? null,
    maxEstimatedInputTokens: shape?.max_estimated_input_tokens ?? null,
    minRequestedOutputTokens: shape?.min_requested_output_tokens ?? null,
    maxRequestedOutputTokens: shape?.max_requested_output_tokens ?? null,
    supportsLargeCodingAgentPayloads: shape?.supports_large_coding_agent_payloads ?? true,
    requiredInputModalities: shape?.required_input_modalities ?? [],
    unsupportedRequestFeatures: new Set(shape?.unsupported_request_features),
  };
}

/** Prices that are not stated are the input price; an unpriced input stays unpriced. */
function prices(facts: Capabilities): Prices {
  const input = facts.input_price_per_million_usd ?? null;
  return {
    input,
    cachedInput: facts.cached_input_price_per_million_usd ?? input,
    cacheWrite: facts.cache_write_price_per_million_usd ?? input,
    output: facts.output_price_per_million_usd ?? null,
    image: facts.image_input_price_per_million_tokens_usd ?? input,
    perImage: facts.image_input_price_per_image_usd ?? null,
    source: facts.pricing_source ?? "",
    updatedAt: facts.pricing_updated_at ?? "",
  };
}
