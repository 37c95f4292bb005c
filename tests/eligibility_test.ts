import assert from "node:assert/strict";
import type { BridgeFeature } from "@/core/bridge_features.ts";
import { type Asked, rejections, requirementsOf } from "@/core/eligibility.ts";
import type { RequestFeatures } from "@/core/features.ts";
import { chatRequestOf, featuresOf, targetOf, type TargetParts } from "./builders.ts";

const EFFORT = {
  requested: true,
  kind: "effort",
  effort: "low",
  budgetTokens: null,
  source: "reasoning_effort",
} as const;

/** Support of a dialect for all tool features but one. */
function toolsBut(missing: string): TargetParts["toolSupport"] {
  const all = ["tools", "tool_choice", "parallel_tool_calls", "structured_outputs"];
  const support = all.filter((name) => name !== missing);
  return { "openai-chat": support, "openai-responses": all, "anthropic": all };
}

/** The features of a request, and what the group says of unknown limits. */
interface Request extends Partial<RequestFeatures> {
  readonly dialect?: Asked["dialect"];
  readonly unknownLimits?: Asked["unknownLimits"];
  readonly costLimited?: boolean;
  /** What no bridge carries; `null`: the request cannot be read into the neutral form. */
  readonly barriers?: readonly BridgeFeature[] | null;
  readonly thinking?: "budget" | "adaptive";
}

function reasonsOf(target: TargetParts, request: Request) {
  const { dialect, unknownLimits, costLimited, barriers = [], thinking, ...features } = request;
  const reasoning = thinking && { mode: thinking, extra: {} };
  return rejections(targetOf(target), {
    dialect: dialect ?? "openai-chat",
    features: featuresOf(features),
    unknownLimits: unknownLimits ?? "allow",
    costLimited: costLimited ?? false,
    decoded: () => barriers && { request: chatRequestOf(reasoning ? { reasoning } : {}), barriers },
  });
}

interface Row {
  /** What is the matter. */
  readonly when: string;
  readonly label: string;
  readonly target: TargetParts;
  readonly request: Request;
  /** The nearest request that passes, where another request may. */
  readonly passes?: Request;
}

const ROWS: readonly Row[] = [
  {
    when: "the credential is empty",
    label: "credential-missing",
    target: { provider: { credentialMissing: true } },
    request: {},
  },
  {
    when: "its bridge cannot carry a feature",
    label: "bridge-prediction",
    target: { inboundDialects: ["anthropic"] },
    request: { dialect: "anthropic", barriers: ["prediction"] },
    passes: { barriers: ["prediction"] },
  },
  {
    when: "its bridge leads to a dialect that cannot carry a feature",
    label: "bridge-stop",
    target: { dialect: "openai-responses", inboundDialects: ["anthropic"] },
    request: { dialect: "anthropic", barriers: ["stop", "json-object"] },
    passes: { dialect: "anthropic", barriers: ["json-object"] },
  },
  {
    when: "its bridge would need a request that cannot be read",
    label: "bridge-other",
    target: { inboundDialects: ["anthropic"] },
    request: { dialect: "anthropic", barriers: null },
    passes: { barriers: null },
  },
  {
    when: "reasoning is demanded over a bridge",
    label: "reasoning-support",
    target: { inboundDialects: ["anthropic"], reasoning: { supported: false } },
    request: { dialect: "anthropic", reasoning: EFFORT, thinking: "budget" },
    passes: { dialect: "anthropic", reasoning: EFFORT, thinking: "adaptive" },
  },
  {
    when: "the caller speaks another dialect",
    label: "dialect-not-accepted",
    target: {},
    request: { dialect: "anthropic" },
    passes: {},
  },
  {
    when: "the caller speaks none of the listed dialects",
    label: "dialect-not-accepted",
    target: { inboundDialects: ["anthropic"] },
    request: { dialect: "openai-responses" },
    passes: { dialect: "anthropic" },
  },
  {
    when: "the target is for tools only",
    label: "tool-only-target",
    target: { toolOnly: true },
    request: {},
    passes: { toolCount: 1 },
  },
  {
    when: "tools are not supported",
    label: "tool-support",
    target: { toolSupport: toolsBut("tools")! },
    request: { toolCount: 1 },
    passes: {},
  },
  {
    when: "a tool choice is not supported",
    label: "tool-choice-support",
    target: { toolSupport: toolsBut("tool_choice")! },
    request: { toolChoice: "auto" },
    passes: { toolChoice: "omitted" },
  },
  {
    when: "a tool choice of null is not supported",
    label: "tool-choice-support",
    target: { toolSupport: toolsBut("tool_choice")! },
    request: { toolChoice: "null" },
    passes: { toolChoice: "omitted" },
  },
  {
    when: "parallel tool calls are refused explicitly and not supported",
    label: "parallel-tool-calls-support",
    target: { toolSupport: toolsBut("parallel_tool_calls")! },
    request: { parallelToolCalls: false },
    passes: { parallelToolCalls: null },
  },
  {
    when: "structured output is not supported",
    label: "structured-output-support",
    target: { toolSupport: toolsBut("structured_outputs")! },
    request: { structuredOutput: "json_object" },
    passes: { structuredOutput: "none" },
  },
  {
    when: "an image is not taken",
    label: "input-modality-image",
    target: {},
    request: { inputModalities: ["text", "image"] },
    passes: { inputModalities: ["text"] },
  },
  {
    when: "a file is not taken",
    label: "input-modality-file",
    target: { inputModalities: ["text", "image"] },
    request: { inputModalities: ["text", "file"] },
    passes: { inputModalities: ["text", "image"] },
  },
  {
    when: "audio is not given",
    label: "output-modality-audio",
    target: {},
    request: { outputModalities: ["text", "audio"] },
    passes: { outputModalities: ["text"] },
  },
  {
    when: "a required modality is absent",
    label: "request-shape-required-input-modality",
    target: {
      inputModalities: ["text", "image"],
      shape: { requiredInputModalities: ["image"] },
    },
    request: {},
    passes: { inputModalities: ["text", "image"] },
  },
  {
    when: "reasoning is not supported",
    label: "reasoning-support",
    target: { reasoning: { supported: false } },
    request: { reasoning: EFFORT },
    passes: {},
  },
  {
    when: "the caller caps and the target does not honor it",
    label: "max-tokens-honored",
    target: { honorsMaxTokens: false },
    request: { outputCap: 1 },
    passes: { outputCap: null },
  },
  {
    when: "the cap is below the least",
    label: "request-shape-min-output-tokens",
    target: { shape: { minRequestedOutputTokens: 16 } },
    request: { outputCap: 15 },
    passes: { outputCap: 16 },
  },
  {
    when: "the cap is above the most",
    label: "request-shape-max-output-tokens",
    target: { shape: { maxRequestedOutputTokens: 1_000 } },
    request: { outputCap: 1_001 },
    passes: { outputCap: 1_000 },
  },
  {
    when: "the context is one token too small",
    label: "request-shape-context-exceeded",
    target: { contextTokens: 1_000 },
    request: { estimatedInputTokens: 901, reservedOutputTokens: 100 },
    passes: { estimatedInputTokens: 900, reservedOutputTokens: 100 },
  },
  {
    when: "the body is too large",
    label: "request-shape-max-request-bytes",
    target: { shape: { maxRequestBytes: 1_000 } },
    request: { requestBytes: 1_001 },
    passes: { requestBytes: 1_000 },
  },
  {
    when: "the input is too long",
    label: "request-shape-max-input-tokens",
    target: { shape: { maxEstimatedInputTokens: 1_000 } },
    request: { estimatedInputTokens: 1_001 },
    passes: { estimatedInputTokens: 1_000 },
  },
  {
    when: "the tools are too large",
    label: "request-shape-tool-schema-bytes",
    target: { shape: { maxToolSchemaBytes: 1_000 } },
    request: { toolSchemaBytes: 1_001 },
    passes: { toolSchemaBytes: 1_000 },
  },
  {
    when: "the body is a large payload",
    label: "request-shape-large-payload",
    target: { shape: { supportsLargeCodingAgentPayloads: false } },
    request: { requestBytes: 262_144 },
    passes: { requestBytes: 262_143 },
  },
  {
    when: "the input is a large payload",
    label: "request-shape-large-payload",
    target: { shape: { supportsLargeCodingAgentPayloads: false } },
    request: { estimatedInputTokens: 65_536 },
    passes: { estimatedInputTokens: 65_535 },
  },
  {
    when: "the tools are a large payload",
    label: "request-shape-large-payload",
    target: { shape: { supportsLargeCodingAgentPayloads: false } },
    request: { toolSchemaBytes: 65_536 },
    passes: { toolSchemaBytes: 65_535 },
  },
  {
    when: "the context is unknown and must be known",
    label: "request-shape-limit-unknown",
    target: { contextTokens: null },
    request: { unknownLimits: "reject" },
    passes: { unknownLimits: "allow" },
  },
  {
    when: "the cost is limited and cannot be known",
    label: "price-unknown",
    target: { prices: { output: null } },
    request: { costLimited: true },
    passes: { costLimited: false },
  },
  ...unsupported(),
];

/** A row for each feature that `unsupported_request_features` may name. */
function unsupported(): readonly Row[] {
  const features: readonly (readonly [string, Request, Request])[] = [
    ["previous_response_id", { previousResponseId: true }, {}],
    ["function_call_output", { hasToolResults: true }, {}],
    ["stream_options", { streamOptions: true }, {}],
    ["tool_choice", { toolChoice: "none" }, {}],
    ["forced_tool_choice", { toolChoice: "required" }, { toolChoice: "auto" }],
    ["forced_tool_choice", { toolChoice: "named" }, { toolChoice: "none" }],
    ["parallel_tool_calls", { parallelToolCalls: true }, {}],
    ["hosted_tools", { hostedTools: ["web_search"] }, {}],
  ];
  return features.map(([name, request, passes]) => ({
    when: `${name} is present and unsupported (${Object.values(request)})`,
    label: "request-shape-unsupported-feature",
    target: { shape: { unsupportedRequestFeatures: new Set([name]) } },
    request,
    passes,
  }));
}

for (const { when, label, target, request, passes } of ROWS) {
  Deno.test(`target is rejected for ${label} alone when ${when}`, () => {
    assert.deepEqual(reasonsOf(target, request), [label]);
    assert.deepEqual(reasonsOf(passes ? target : {}, passes ?? request), []);
  });
}

/** The labels of every rule, in order; one rule may have several. */
const LABELS = [
  "credential-missing",
  "dialect-not-accepted",
  "bridge-other",
  "bridge-prediction",
  "bridge-stop",
  "tool-only-target",
  "tool-support",
  "tool-choice-support",
  "parallel-tool-calls-support",
  "structured-output-support",
  "input-modality-image",
  "input-modality-file",
  "output-modality-audio",
  "request-shape-required-input-modality",
  "reasoning-support",
  "max-tokens-honored",
  "request-shape-min-output-tokens",
  "request-shape-max-output-tokens",
  "request-shape-context-exceeded",
  "request-shape-max-request-bytes",
  "request-shape-max-input-tokens",
  "request-shape-tool-schema-bytes",
  "request-shape-large-payload",
  "request-shape-unsupported-feature",
  "request-shape-limit-unknown",
  "price-unknown",
];

Deno.test("every label of the rules has a row", () => {
  assert.deepEqual(new Set(ROWS.map(({ label }) => label)), new Set(LABELS));
});

Deno.test("target that breaks three rules is rejected for three reasons, in order", () => {
  const target = {
    honorsMaxTokens: false,
    contextTokens: 10,
    provider: { credentialMissing: true },
  };
  assert.deepEqual(reasonsOf(target, { outputCap: 1, reservedOutputTokens: 1 }), [
    "credential-missing",
    "max-tokens-honored",
    "request-shape-context-exceeded",
  ]);
});

Deno.test("target that breaks all rules of a request lists every label in order", () => {
  const none = { "openai-chat": [], "openai-responses": [], "anthropic": [] };
  const reasons = reasonsOf({
    provider: { credentialMissing: true },
    toolSupport: none,
    reasoning: { supported: false },
    honorsMaxTokens: false,
    contextTokens: 1,
    prices: { input: null },
    shape: {
      maxRequestBytes: 1,
      maxToolSchemaBytes: 1,
      maxEstimatedInputTokens: 1,
      maxRequestedOutputTokens: 1,
      supportsLargeCodingAgentPayloads: false,
      requiredInputModalities: ["audio"],
      unsupportedRequestFeatures: new Set(["tool_choice"]),
    },
  }, {
    dialect: "anthropic",
    toolCount: 1,
    toolChoice: "auto",
    parallelToolCalls: true,
    structuredOutput: "json_schema",
    inputModalities: ["text", "image", "file"],
    outputModalities: ["audio"],
    reasoning: EFFORT,
    outputCap: 2,
    toolSchemaBytes: 65_536,
    costLimited: true,
  });
  const impossible = new Set([
    "tool-only-target",
    "request-shape-min-output-tokens",
    "request-shape-limit-unknown",
    // A dialect is accepted or not: a target cannot have both reasons.
    "bridge-other",
    "bridge-prediction",
    "bridge-stop",
  ]);
  assert.deepEqual(reasons, LABELS.filter((label) => !impossible.has(label)));
});

Deno.test("target accepts its own dialect whatever others it lists", () => {
  assert.deepEqual(reasonsOf({ inboundDialects: ["anthropic"] }, {}), []);
  assert.deepEqual(reasonsOf({ inboundDialects: [] }, {}), []);
});

Deno.test("tool support is that of the caller's dialect", () => {
  const target: TargetParts = {
    inboundDialects: ["openai-chat", "anthropic"],
    toolSupport: { "openai-chat": [], "openai-responses": [], "anthropic": ["tools"] },
  };
  assert.deepEqual(reasonsOf(target, { toolCount: 1 }), ["tool-support"]);
  assert.deepEqual(reasonsOf(target, { toolCount: 1, dialect: "anthropic" }), []);
});

Deno.test("target without limits passes any size", () => {
  const sizes = { requestBytes: 1e9, estimatedInputTokens: 1e9, toolSchemaBytes: 1e9 };
  assert.deepEqual(reasonsOf({}, { ...sizes, outputCap: 1e9 }), []);
});

Deno.test("cap of a router's default is no caller's cap", () => {
  const target = { honorsMaxTokens: false, shape: { maxRequestedOutputTokens: 10 } };
  assert.deepEqual(reasonsOf(target, { outputCap: null, reservedOutputTokens: 4_096 }), []);
});

Deno.test("requirements are listed in their order", () => {
  assert.deepEqual(requirementsOf(featuresOf()), ["text"]);
  const features = featuresOf({
    inputModalities: ["file", "image", "text"],
    toolCount: 1,
    toolChoice: "named",
    parallelToolCalls: false,
    structuredOutput: "json_schema",
    reasoning: EFFORT,
    outputCap: 1,
    previousResponseId: true,
    hostedTools: ["web_search"],
  });
  assert.deepEqual(requirementsOf(features), [
    "text",
    "image",
    "file",
    "tools",
    "tool_choice",
    "forced_tool_choice",
    "parallel_tool_calls",
    "structured_outputs",
    "reasoning",
    "max_tokens",
    "previous_response_id",
    "hosted_tools",
  ]);
});
